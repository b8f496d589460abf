//! Metadata from tags and from tables, and a model for one's own library.

use sleeve_training::pairs::Association;
use sleeve_training::pairs::tables::Split;

use super::{Place, Row, Tags, fails, train};
use crate::support::synthetic::{self, Size};

const SONG: Tags = Tags {
    title: "Song One",
    artist: "Band",
    album: "Album",
    album_artist: "Band",
    label: "A Label",
    genre: "Hip-Hop; Rock",
    number: 0,
    more: &[],
};

fn by_tags(place: &Place) -> String {
    place.scan();
    train(&[&"match", &place.at("collection.parquet"), &"--source", &"tags", &"--out", &place.at("set")])
}

#[test]
fn tags_make_the_same_tables() {
    let place = Place::new();
    place.song("a.wav", 6.0, SONG);
    // The same artist, label and style, written otherwise; another release.
    place.song(
        "b.wav",
        7.0,
        Tags {
            title: "Song Two",
            artist: "The Band feat. Guest",
            album: "Other",
            label: "a label",
            genre: "Hip-Hop",
            ..SONG
        },
    );
    place.song(
        "c.wav",
        8.0,
        Tags {
            title: "Solo",
            artist: "Guest",
            album: "Third",
            album_artist: "Various",
            genre: "hip hop",
            ..SONG
        },
    );
    // The same recording on a collection, without an album artist.
    place.song("hits/d.wav", 6.1, Tags { album: "Hits", album_artist: "", label: "Not On Label", ..SONG });
    place.song("none.wav", 6.0, Tags { title: "Nothing", ..Tags::default() });
    // Another song of the album, which is not on the collection.
    place.song("e.wav", 5.0, Tags { title: "Song Three", ..SONG });
    let said = by_tags(&place);
    assert!(said.contains("5 of 6 tracks have an artist or a release by tags; 2 artists"), "{said}");
    assert!(said.contains("not matched, no artist or release: 1"), "{said}");
    let [a, b, c, d] = ["a.wav", "b.wav", "c.wav", "hits/d.wav"].map(|name| place.row(name).unwrap());
    assert_eq!((a.how.as_str(), a.artists.len(), b.artists.len(), c.artists.len()), ("tags", 1, 2, 1));
    assert!(b.artists.contains(&a.artists[0]) && b.artists.contains(&c.artists[0]));
    assert!(a.labels == b.labels && a.labels == c.labels && a.labels.len() == 1);
    assert_eq!(
        (&a.styles[..], &b.styles[..], &c.styles[..]),
        (
            &["Hip-Hop".to_owned(), "Rock".into()][..],
            &["Hip-Hop".to_owned()][..],
            &["Hip-Hop".to_owned()][..]
        )
    );
    // One recording on two releases: both files have both.
    assert_eq!((a.releases.len(), &a.labels), (2, &d.labels));
    assert_eq!(a, Row { path: "a.wav".into(), ..d });
    assert!(b.releases.iter().all(|release| !a.releases.contains(release)));
    let e = place.row("e.wav").unwrap();
    assert_eq!((e.releases.len(), e.versions.len()), (1, 0));
    assert!(a.releases.contains(&e.releases[0]) && a.versions.is_empty());
}

#[test]
fn musicbrainz_ids_tell_homonyms_and_releases_apart() {
    let place = Place::new();
    let [one, two, release, group] =
        [1, 2, 3, 4].map(|id| format!("0383dadf-2a4e-4d10-a46a-e9e041da8eb{id}"));
    let ids = |artist: &str| [("MusicBrainz Artist Id".to_owned(), artist.to_owned())];
    for (name, id, title) in [("a.wav", &one, "A"), ("b.wav", &two, "B"), ("c.wav", &one, "C")] {
        let more = ids(id);
        let more: Vec<(&str, &str)> =
            more.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
        place.song(name, 6.0, Tags { title, more: &more, ..SONG });
    }
    let more = [("MusicBrainz Album Id", release.as_str()), ("MusicBrainz Release Group Id", group.as_str())];
    place.song("d.wav", 6.0, Tags { title: "D", artist: "Pair", more: &more, ..SONG });
    let more = [("MusicBrainz Album Id", two.as_str()), ("MusicBrainz Release Group Id", group.as_str())];
    place.song("e.wav", 6.0, Tags { title: "E", artist: "Pair", album: "Another name", more: &more, ..SONG });
    by_tags(&place);
    let [a, b, c, d, e] = ["a.wav", "b.wav", "c.wav", "d.wav", "e.wav"].map(|name| place.row(name).unwrap());
    assert!(a.artists != b.artists && a.artists == c.artists);
    assert!(d.releases != e.releases && d.versions == e.releases && e.versions == d.releases);
    assert_eq!(d.artists, e.artists);
}

#[test]
fn names_are_taken_apart_only_where_the_collection_says_so() {
    let place = Place::new();
    place.song("a.wav", 6.0, Tags { title: "A", artist: "One", ..SONG });
    place.song("b.wav", 6.0, Tags { title: "B", artist: "Two", ..SONG });
    place.song("both.wav", 6.0, Tags { title: "C", artist: "One & Two", ..SONG });
    place.song(
        "slash.wav",
        6.0,
        Tags { title: "D", artist: "AC/DC", album_artist: "AC/DC", album: "E", ..SONG },
    );
    by_tags(&place);
    let artists = |name: &str| place.row(name).unwrap().artists;
    let mut both = [artists("a.wav"), artists("b.wav")].concat();
    both.sort_unstable();
    assert_eq!((artists("both.wav"), artists("slash.wav").len()), (both, 1));
}

/// Tags that say what the dump says relate the same tracks by release, artist and label.
#[test]
fn tags_give_the_pairs_of_the_dump() {
    let place = Place::new();
    let size = Size { artists: 12, releases: 1, tracks: 2, seconds: 1, rate: 8000 };
    synthetic::write(&place.at("library"), size);
    let [collection, tables] = ["collection.parquet", "tables"].map(|name| place.at(name));
    train(&[&"discogs", &place.at("library/releases.xml.gz"), &"--out", &tables]);
    train(&[&"scan", &place.at("library/audio"), &"--out", &collection]);
    train(&[&"match", &collection, &"--discogs", &tables, &"--out", &place.at("dump")]);
    train(&[&"match", &collection, &"--source", &"tags", &"--out", &place.at("tags")]);
    let relations = ["dump", "tags"].map(|set| {
        let set = place.at(set);
        train(&[
            &"split",
            &set,
            &"--styles",
            &"0",
            &"--validation",
            &"4",
            &"--test",
            &"4",
            &"--releases",
            &"1",
        ]);
        let split = Split::read(&set, None).unwrap();
        let tracks = split.metadata.tracks() as u32;
        assert_eq!(tracks, 48);
        [Association::Release, Association::Artist, Association::Label].map(|association| {
            let condition = association.condition(&split.metadata, &split.excluded).unwrap();
            let all = (0..tracks).flat_map(|a| (0..tracks).map(move |b| (a, b)));
            all.filter(|&(a, b)| condition.holds(a, b)).collect::<Vec<_>>()
        })
    });
    assert_eq!(relations[0], relations[1]);
    assert!(relations[0].iter().all(|pairs| pairs.len() >= 48), "{relations:?}");
}

#[test]
fn anybodys_table_will_do() {
    let place = Place::new();
    for name in ["a.wav", "b.wav", "c.wav", "d.wav"] {
        place.song(name, 2.0, Tags::default());
    }
    place.scan();
    let table = place.at("table.csv");
    std::fs::write(
        &table,
        concat!(
            "path,artists,releases,labels,styles,year\n",
            "a.wav,Band|Guest,r1,A Label,Rock|Jazz,1999\n",
            "b.wav,\"Band, The\",r2,a label,rock,\n",
            "b.wav,Various,r1,Not On Label,,\n",
            "elsewhere.wav,Band,r3,,,\n",
            "c.wav,,,A Label,,\n",
        ),
    )
    .unwrap();
    let command = |table: &std::path::PathBuf| {
        super::run(&[
            &"match",
            &place.at("collection.parquet"),
            &"--source",
            &"table",
            table,
            &"--out",
            &place.at("set"),
        ])
    };
    let (success, said) = command(&table);
    assert!(success && said.contains("2 of 4 tracks have an artist or a release by the table"), "{said}");
    assert!(said.contains("1 rows of the table are not of this collection"), "{said}");
    assert!(said.contains("no artist or release: 1") && said.contains("no row: 1"), "{said}");
    let [a, b] = ["a.wav", "b.wav"].map(|name| place.row(name).unwrap());
    assert_eq!((a.how.as_str(), a.artists.len(), b.artists.len(), b.releases.len()), ("table", 2, 1, 2));
    assert!(a.artists.contains(&b.artists[0]) && b.releases.contains(&a.releases[0]) && a.labels == b.labels);
    assert_eq!(
        (&a.styles[..], &b.styles[..]),
        (&["Jazz".to_owned(), "Rock".into()][..], &["Rock".to_owned()][..])
    );
    // The same as Parquet: here, the table that `match` itself has made of paths and ids.
    let (success, said) = command(&place.at("set/matched.parquet"));
    assert!(success && said.contains("2 of 4 tracks"), "{said}");
    for (text, reason) in [
        ("artists\nBand\n", "no column `path`"),
        ("path,label\na.wav,L\n", "neither a column `artists` nor `releases`"),
        ("path,artists\nz.wav,L\n", "none of its 1 paths"),
    ] {
        std::fs::write(&table, text).unwrap();
        let (success, said) = command(&table);
        assert!(!success && said.contains(reason) && said.contains("table.csv"), "{said}");
    }
    let said =
        fails(&[&"match", &place.at("collection.parquet"), &"--source", &"shop", &"--out", &place.at("set")]);
    assert!(said.contains("--source is `discogs`, `tags`, or `table FILE`"), "{said}");
}

#[test]
fn adapt_makes_a_model_of_a_folder_of_music() {
    let place = Place::new();
    synthetic::write(
        &place.at("library"),
        Size { artists: 12, releases: 1, tracks: 3, seconds: 5, rate: 16_000 },
    );
    let (music, out) = (place.at("library/audio"), place.at("models"));
    let said = train(&[&"adapt", &music, &"--out", &out]);
    assert!(
        said.contains("72 tracks, 0 unreadable") && said.contains("72 of them have an artist or an album"),
        "{said}"
    );
    assert!(said.contains("by artists that the map for these figures was not learnt from"), "{said}");
    assert!(said.contains("same artist") && said.contains("mAP"), "{said}");
    let verdict = said.lines().find(|line| line.starts_with("It ") || line.starts_with("Whether "));
    assert!(verdict.is_some_and(|line| line.contains("tracks of the same artist are found")), "{said}");
    let model = sleeve::model::Model::open(out.join("my-music.onnx")).unwrap();
    assert_eq!(model.name(), "my-music");
    // Again: it must be asked to replace, and nothing is decoded twice.
    let said = fails(&[&"adapt", &music, &"--out", &out]);
    assert!(said.contains("exists already"), "{said}");
    train(&[&"adapt", &music, &"--out", &out, &"--replace"]);
    let said = fails(&[&"adapt", &music, &"--out", &place.at("other"), &"--features", &place.at("set")]);
    assert!(said.contains("no split.parquet"), "{said}");
}
