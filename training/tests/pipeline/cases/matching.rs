//! What `match` makes of tags as people have them.

use super::{Entry, Place, Release, Row, Tags, fails, tag};

const BAND: &[(i64, &str)] = &[(10, "Band")];
const VARIOUS: &[(i64, &str)] = &[(194, "Various")];

/// One song on an album, its reissue, a collection of its artist, and one of several artists.
fn one_song(place: &Place) {
    let song: &[Entry] = &[("Song One", "0:06", &[]), ("Song Two", "0:07", &[])];
    place.dump(&[
        Release {
            id: 100,
            title: "Album",
            master: 900,
            artists: BAND,
            labels: &[(7, "L7")],
            styles: &["Punk"],
            tracks: song,
        },
        Release {
            id: 101,
            title: "Album (reissue)",
            master: 900,
            artists: BAND,
            labels: &[(8, "L8")],
            styles: &["Punk"],
            tracks: song,
        },
        Release {
            id: 102,
            title: "Best Of",
            artists: BAND,
            tracks: &[("Song One", "0:06", &[])],
            ..Release::default()
        },
        Release {
            id: 103,
            title: "Hits",
            artists: VARIOUS,
            tracks: &[("Song One", "0:06", BAND)],
            ..Release::default()
        },
        Release {
            id: 300,
            title: "Polka Party",
            artists: &[(40, "Polka King")],
            tracks: &[("Polka One", "3:00", &[])],
            ..Release::default()
        },
    ]);
}

const SONG: Tags = Tags {
    title: "Song One",
    artist: "Band",
    album: "Album",
    album_artist: "",
    label: "",
    genre: "",
    number: 0,
    more: &[],
};

#[test]
fn masters_artists_and_labels_add_what_they_say() {
    let place = Place::new();
    one_song(&place);
    place.song("a.wav", 6.0, SONG);
    place.song("b.wav", 6.0, Tags { artist: "The Other Name", ..SONG });
    place.scan();
    place.matched(&[]);
    let before = place.row("a.wav").unwrap();
    assert_eq!(
        (&before.artists[..], &before.labels[..], &before.styles[..]),
        (&[10][..], &[7, 8][..], &["Punk".to_owned()][..])
    );
    assert!(place.row("b.wav").is_none());
    let said = fails(&[
        &"match",
        &place.at("collection.parquet"),
        &"--discogs",
        &place.at("tables"),
        &"--aliases",
        &"--out",
        &place.at("set"),
    ]);
    assert!(said.contains("artist_names.parquet") && said.contains("dump of artists"), "{said}");

    place.dump_text("masters", concat!(
        "<masters>\n<master id=\"900\"><main_release>100</main_release><artists><artist><id>10</id><name>Band</name></artist>",
        "<artist><id>77</id><name>Guest</name></artist></artists><genres><genre>Electronic</genre></genres><styles><style>Techno</style></styles>",
        "<year>1999</year><title>Album</title></master>\n</masters>\n",
    ));
    let said = place.matched(&[]);
    assert!(said.contains("1 tracks have got something from the dump of masters"), "{said}");
    let after = place.row("a.wav").unwrap();
    assert_eq!(
        (&after.artists[..], &after.styles[..], &after.genres[..]),
        (
            &[10, 77][..],
            &["Punk".to_owned(), "Techno".into()][..],
            &["Electronic".to_owned(), "Rock".into()][..]
        )
    );

    place.dump_text("artists", concat!(
        "<artists>\n<artist><id>10</id><name>Band</name><namevariations><name>The Other Name</name></namevariations>",
        "<aliases><name id=\"5\">Side Project</name></aliases></artist>\n",
        "<artist><id>5</id><name>Side Project</name><aliases><name id=\"10\">Band</name></aliases></artist>\n</artists>\n",
    ));
    place.dump_text("labels", concat!(
        "<labels>\n<label><id>7</id><name>L7</name><parentLabel id=\"70\">Parent</parentLabel></label>\n",
        "<label><id>70</id><name>Parent</name><sublabels><label id=\"7\">L7</label></sublabels></label>\n</labels>\n",
    ));
    // Without the options, nothing changes.
    place.matched(&[]);
    assert_eq!(place.row("a.wav").unwrap(), after);
    let said = place.matched(&[&"--variations", &"--aliases", &"--parents"]);
    for count in [
        "1 tracks found only by another name",
        "2 tracks have other artists because of aliases",
        "2 tracks have got the parent of a label",
    ] {
        assert!(said.contains(count), "{count}: {said}");
    }
    let [a, b] = ["a.wav", "b.wav"].map(|name| place.row(name).unwrap());
    assert_eq!((&a.artists[..], &a.labels[..]), (&[5, 77][..], &[7, 8, 70][..]));
    assert_eq!(b, Row { path: "b.wav".into(), ..a });
}

#[test]
fn an_id_chooses_the_recording_and_text_adds_its_releases() {
    let place = Place::new();
    one_song(&place);
    place.song("text.wav", 6.0, SONG);
    for (name, id) in [("album.wav", "100"), ("best.wav", "102"), ("hits.wav", "103")] {
        place.song(name, 6.0, Tags { more: &[("DISCOGS_RELEASE_ID", id)], ..SONG });
    }
    // What its tags call it is not what the dump prints; the id and the number say which it is.
    place.song(
        "named.wav",
        6.0,
        Tags {
            title: "Lied Eins",
            artist: "Kapelle",
            album: "Album",
            number: 1,
            more: &[("discogs_albumid", "100")],
            ..SONG
        },
    );
    place.song("master.wav", 6.0, Tags { more: &[("DISCOGS_MASTER_ID", "900")], ..SONG });
    place.scan();
    let said = place.matched(&[]);
    assert!(said.contains("6 of 6 tracks matched: 5 by id, 1 by artist and title"), "{said}");
    // As many as the pairs are drawn by: versions too.
    assert!(
        said.contains("4.0 releases a track, versions included") && said.contains("100.0 % on more than one"),
        "{said}"
    );
    for row in place.rows() {
        let mut all = [row.releases.clone(), row.versions.clone()].concat();
        all.sort_unstable();
        assert_eq!((&all[..], &row.artists[..]), (&[100, 101, 102, 103][..], &[10][..]), "{row:?}");
    }
}

#[test]
fn an_id_that_everything_contradicts_is_not_believed() {
    let place = Place::new();
    one_song(&place);
    let polka: &[(&str, &str)] = &[("DISCOGS_RELEASE_ID", "300")];
    place.song("wrong.wav", 6.0, Tags { more: polka, ..SONG });
    place.song("lost.wav", 6.0, Tags { title: "Nowhere", more: polka, ..SONG });
    place.song(
        "right.wav",
        180.0,
        Tags { title: "Polka Eins", artist: "Polkakönig", album: "Polkafest", more: polka, ..SONG },
    );
    place.scan();
    let said = place.matched(&[]);
    assert!(said.contains("2 tracks have an id that their other tags contradict"), "{said}");
    let row = place.row("wrong.wav").unwrap();
    assert_eq!(
        (row.how.as_str(), &row.releases[..], &row.artists[..]),
        ("text", &[100, 101, 102, 103][..], &[10][..])
    );
    assert!(said.contains("not matched, id contradicted: 1"), "{said}");
    // The duration agrees: names may be written otherwise.
    assert_eq!(place.row("right.wav").unwrap().releases, [300]);
}

#[test]
fn marks_of_other_scripts_are_letters() {
    let place = Place::new();
    let songs = [("ハス", 500), ("バス", 501), ("दिल", 502), ("दाल", 503), ("กา", 504), ("กี", 505)];
    let tracks: Vec<[Entry; 1]> = songs.iter().map(|(title, _)| [(*title, "0:06", &[][..])]).collect();
    let releases: Vec<Release> = songs
        .iter()
        .zip(&tracks)
        .map(|(&(title, id), tracks)| Release {
            id,
            title,
            artists: &[(60, "ハナ")],
            tracks,
            ..Release::default()
        })
        .collect();
    place.dump(&releases);
    for (title, id) in songs {
        place.song(&format!("{id}.wav"), 6.0, Tags { title, artist: "ハナ", ..Tags::default() });
    }
    place.song("half.wav", 6.0, Tags { title: "ﾊﾞｽ", artist: "ﾊﾅ", ..Tags::default() });
    place.scan();
    place.matched(&[]);
    for (_, id) in songs {
        assert_eq!(place.row(&format!("{id}.wav")).unwrap().releases, [id]);
    }
    assert_eq!(place.row("half.wav").unwrap().releases, [501]);
}

#[test]
fn movements_need_more_than_their_names() {
    let place = Place::new();
    let work = |id, title, tracks| Release {
        id,
        title,
        artists: &[(50, "Orchestra")],
        tracks,
        ..Release::default()
    };
    place.dump(&[
        work(400, "Symphony 1", &[("Allegro", "0:10", &[]), ("Adagio", "0:12", &[])]),
        work(401, "Symphony 2", &[("Allegro", "0:13", &[]), ("Adagio", "0:09", &[])]),
        work(402, "Quartets", &[("Allegro", "0:11", &[]), ("Finale", "0:12", &[])]),
        work(403, "Trios", &[("II. Menuetto - Trio", "0:11", &[])]),
    ]);
    place.song(
        "known.wav",
        10.0,
        Tags { title: "Allegro", artist: "Orchestra", album: "Symphony 1", ..Tags::default() },
    );
    place.song("unknown.wav", 10.4, Tags { title: "Allegro", artist: "Orchestra", ..Tags::default() });
    place.song("only.wav", 9.0, Tags { title: "Adagio", artist: "Orchestra", ..Tags::default() });
    place.song(
        "other.wav",
        11.0,
        Tags { title: "Menuetto & Trio II.", artist: "Orchestra", album: "Symphony 1", ..Tags::default() },
    );
    place.scan();
    let said = place.matched(&[]);
    assert_eq!(place.row("known.wav").unwrap().releases, [400]);
    assert!(place.row("unknown.wav").is_none() && said.contains("ambiguous: 1"), "{said}");
    // Its duration is that of one work alone.
    assert_eq!(place.row("only.wav").unwrap().releases, [401]);
}

#[test]
fn artists_in_one_field_and_of_the_album_are_tried() {
    let place = Place::new();
    let blur: &[(i64, &str)] = &[(15, "Blur")];
    place.dump(&[
        Release {
            id: 9,
            title: "B",
            artists: blur,
            tracks: &[("Song 2", "0:06", &[]), ("Tender", "", &[])],
            ..Release::default()
        },
        Release {
            id: 3,
            title: "Z",
            artists: &[(7, "AC/DC")],
            tracks: &[("T.N.T.", "0:06", &[])],
            ..Release::default()
        },
        Release {
            id: 4,
            title: "Y",
            artists: &[(8, "AC")],
            tracks: &[("T.N.T.", "0:06", &[])],
            ..Release::default()
        },
    ]);
    for (at, joined) in
        ["Blur/Other", "Blur;Other", "Blur, Other", "Other & Blur", "Other feat. Blur", "Other x Blur"]
            .iter()
            .enumerate()
    {
        place.song(&format!("{at}.wav"), 6.0, Tags { title: "Song 2", artist: joined, ..Tags::default() });
        tag(
            &place.at(&format!("music/{at}.wav")),
            Tags { title: "Song 2", artist: joined, ..Tags::default() },
            true,
        );
    }
    place.song(
        "6.wav",
        6.0,
        Tags { title: "Song 2", artist: "Damon", album_artist: "Blur", ..Tags::default() },
    );
    place.song("ids.wav", 6.0, Tags { more: &[("DISCOGS_RELEASE_ID", "3/9")], ..Tags::default() });
    place.song("whole.wav", 6.0, Tags { title: "T.N.T.", artist: "AC/DC", ..Tags::default() });
    // A part of a name needs a duration or the album.
    place.song("weak.wav", 6.0, Tags { title: "Tender", artist: "Blur, Other", ..Tags::default() });
    place.scan();
    place.matched(&[]);
    for at in 0..7 {
        let row = place.row(&format!("{at}.wav")).unwrap_or_else(|| panic!("{at}"));
        assert_eq!((&row.releases[..], &row.artists[..]), (&[9][..], &[15][..]), "{at}");
    }
    assert_eq!(place.row("ids.wav").unwrap().releases, [3, 9]);
    assert_eq!(place.row("whole.wav").unwrap().releases, [3], "not that of the artist AC");
    assert!(place.row("weak.wav").is_none());
}

#[test]
fn ids_of_beets_are_found_whatever_the_format() {
    let place = Place::new();
    one_song(&place);
    place.song(
        "beets.wav",
        6.0,
        Tags { artist: "?", title: "Song One", more: &[("MusicBrainz Album Id", "102")], ..Tags::default() },
    );
    place.song(
        "picard.wav",
        6.0,
        Tags {
            artist: "?",
            title: "?",
            more: &[("MusicBrainz Album Id", "0383dadf-2a4e-4d10-a46a-e9e041da8eb3")],
            ..Tags::default()
        },
    );
    place.scan();
    place.matched(&[]);
    let row = place.row("beets.wav").unwrap();
    assert_eq!((row.how.as_str(), row.releases.contains(&102)), ("id", true));
    assert!(place.row("picard.wav").is_none());
}
