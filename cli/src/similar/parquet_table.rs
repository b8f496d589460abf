//! The Parquet table of a library file.
//!
//! | column | type | what |
//! |---|---|---|
//! | `path` | string | the path below the library's folder, or absolute; with `path_bytes` where that is not UTF-8 |
//! | `path_bytes` | bytes, optional | the path's own bytes |
//! | `seconds` | double | the duration |
//! | `audio_sha256` | bytes | what identifies the audio; 32 bytes |
//! | `bytes`, `modified` | int64 | size and time of change of the file, the latter optional |
//! | `artist`, `album_artist`, `album`, `title`, `label`, `genre` | string | tags |
//! | `year` | int32, optional | |
//! | `embedding` | list of float | the mean over the patches |
//! | `activations` | list of float | means of the predictions |
//!
//! The metadata keys `sleeve.origin` (JSON), `sleeve.root` (hexadecimal digits) and `sleeve.classes` (JSON) say what made
//! it.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use parquet::basic::Compression;
use parquet::data_type::{ByteArray, ByteArrayType, DataType, DoubleType, FloatType, Int32Type, Int64Type};
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::record::{Field, Row};
use parquet::schema::parser::parse_message_type;
use sleeve::similarity::{Embedding, Library, LibraryWriter, Origin, Tags, Track};
use sleeve_files::AtomicFile;
use sleeve_files::names::{self, shown};

/// Rows of a row group.
const GROUP: usize = 20_000;
const TEXTS: [&str; 6] = ["artist", "album_artist", "album", "title", "label", "genre"];

const SCHEMA: &str = "message tracks {
    required binary path (STRING);
    optional binary path_bytes;
    required double seconds;
    required binary audio_sha256;
    required int64 bytes;
    optional int64 modified;
    required binary artist (STRING);
    required binary album_artist (STRING);
    required binary album (STRING);
    required binary title (STRING);
    required binary label (STRING);
    required binary genre (STRING);
    optional int32 year;
    required group embedding (LIST) { repeated group list { required float element; } }
    required group activations (LIST) { repeated group list { required float element; } }
}";

/// Writes the table in one step.
pub fn write(library: &Library, out: &Path) -> Result<()> {
    let cannot = || format!("cannot write {}", shown(out));
    let about = vec![
        KeyValue::new("sleeve.origin".to_owned(), serde_json::to_string(library.origin())?),
        KeyValue::new("sleeve.root".to_owned(), names::to_hex(&names::to_portable(library.root()))),
        KeyValue::new("sleeve.classes".to_owned(), serde_json::to_string(library.classes())?),
    ];
    let properties = WriterProperties::builder()
        .set_compression(Compression::SNAPPY)
        .set_key_value_metadata(Some(about))
        .build();
    let schema = Arc::new(parse_message_type(SCHEMA)?);
    let mut writer = SerializedFileWriter::new(AtomicFile::create(out)?, schema, Arc::new(properties))
        .with_context(cannot)?;
    for first in (0..library.len()).step_by(GROUP) {
        let tracks: Vec<usize> = (first..library.len().min(first + GROUP)).collect();
        write_group(library, &tracks, writer.next_row_group().with_context(cannot)?).with_context(cannot)?;
    }
    writer.into_inner().with_context(cannot)?.commit()?;
    Ok(())
}

fn write_group(
    library: &Library,
    tracks: &[usize],
    mut group: SerializedRowGroupWriter<'_, AtomicFile>,
) -> Result<()> {
    let all = |map: &dyn Fn(usize) -> ByteArray| tracks.iter().map(|&track| map(track)).collect::<Vec<_>>();
    let path = |track: usize| library.track(track).path();
    column::<ByteArrayType>(
        &mut group,
        &all(&|track| String::from_utf8_lossy(library.track(track).path_bytes()).as_bytes().to_vec().into()),
        None,
    )?;
    let odd: Vec<usize> = tracks.iter().copied().filter(|&track| path(track).to_str().is_none()).collect();
    let is_odd: Vec<i16> = tracks.iter().map(|&track| path(track).to_str().is_none().into()).collect();
    let bytes: Vec<ByteArray> =
        odd.iter().map(|&track| library.track(track).path_bytes().to_vec().into()).collect();
    column::<ByteArrayType>(&mut group, &bytes, Some((&is_odd, None)))?;
    let seconds: Vec<f64> = tracks.iter().map(|&track| library.track(track).seconds).collect();
    column::<DoubleType>(&mut group, &seconds, None)?;
    column::<ByteArrayType>(&mut group, &all(&|track| library.track(track).sha256.to_vec().into()), None)?;
    let sizes: Vec<i64> = tracks.iter().map(|&track| library.track(track).bytes as i64).collect();
    column::<Int64Type>(&mut group, &sizes, None)?;
    let times: Vec<Option<i64>> = tracks.iter().map(|&track| library.track(track).modified).collect();
    optional::<Int64Type>(&mut group, &times)?;
    for name in TEXTS {
        let texts = all(&|track| {
            let track = library.track(track);
            let texts =
                [track.artist, track.album_artist, track.album, track.title, track.label, track.genre];
            let at = TEXTS.iter().position(|other| *other == name).unwrap_or_default();
            texts[at].as_bytes().to_vec().into()
        });
        column::<ByteArrayType>(&mut group, &texts, None)?;
    }
    let years: Vec<Option<i32>> = tracks.iter().map(|&track| library.track(track).year).collect();
    optional::<Int32Type>(&mut group, &years)?;
    list(&mut group, library.dim(), tracks, |track| library.vector(track))?;
    list(&mut group, library.classes().len(), tracks, |track| library.activations(track))?;
    group.close()?;
    Ok(())
}

/// Writes a column. The levels say which rows have a value, and where lists begin.
fn column<T: DataType>(
    group: &mut SerializedRowGroupWriter<'_, AtomicFile>,
    values: &[T::T],
    levels: Option<(&[i16], Option<&[i16]>)>,
) -> Result<()> {
    let mut column = group.next_column()?.context("the schema has this column")?;
    let (there, starts) = levels.map_or((None, None), |(there, starts)| (Some(there), starts));
    column.typed::<T>().write_batch(values, there, starts)?;
    column.close()?;
    Ok(())
}

fn optional<T: DataType>(
    group: &mut SerializedRowGroupWriter<'_, AtomicFile>,
    values: &[Option<T::T>],
) -> Result<()> {
    let there: Vec<i16> = values.iter().map(|value| value.is_some().into()).collect();
    let values: Vec<T::T> = values.iter().flatten().cloned().collect();
    column::<T>(group, &values, Some((&there, None)))
}

/// Writes a column of lists of one length.
fn list<'a>(
    group: &mut SerializedRowGroupWriter<'_, AtomicFile>,
    length: usize,
    tracks: &[usize],
    values: impl Fn(usize) -> &'a [f32],
) -> Result<()> {
    if length == 0 {
        let nothing = vec![0; tracks.len()];
        return column::<FloatType>(group, &[], Some((&nothing, Some(&nothing))));
    }
    let flat: Vec<f32> = tracks.iter().flat_map(|&track| values(track)).copied().collect();
    let starts: Vec<i16> = (0..flat.len()).map(|at| (at % length != 0).into()).collect();
    column::<FloatType>(group, &flat, Some((&vec![1; flat.len()], Some(&starts))))
}

/// Makes a library file of a table. Returns its number of tracks.
pub fn read(table: &Path, library: &Path) -> Result<usize> {
    let cannot = || format!("{}: not a table of `sleeve similar export`", shown(table));
    let file = File::open(table).with_context(|| shown(table))?;
    let reader = SerializedFileReader::new(file).with_context(cannot)?;
    let about = reader.metadata().file_metadata().key_value_metadata().cloned().unwrap_or_default();
    let value = |key: &str| {
        let found = about.iter().find(|entry| entry.key == key).and_then(|entry| entry.value.clone());
        found.with_context(|| format!("its metadata has no {key}")).with_context(cannot)
    };
    let origin: Origin = serde_json::from_str(&value("sleeve.origin")?).with_context(cannot)?;
    let root = names::from_hex(&value("sleeve.root")?).with_context(cannot)?;
    let mut writer = LibraryWriter::create(library, names::from_portable(&root), &origin)?;
    let mut count = 0;
    let added = (|| {
        for row in reader.get_row_iter(None)? {
            let (track, embedding) = track(&row?).with_context(|| format!("row {count}"))?;
            writer.add(&track, &embedding)?;
            count += 1;
            if writer.pending() == GROUP {
                writer.flush()?;
            }
        }
        anyhow::Ok(())
    })();
    let written = added.with_context(cannot).and_then(|()| Ok(writer.rewrite()?));
    if written.is_err() {
        let _ = std::fs::remove_file(library);
    }
    written.map(|()| count)
}

/// Reads a row by the names of its columns, whose order does not matter.
fn track(row: &Row) -> Result<(Track, Embedding)> {
    let field =
        |name: &str| row.get_column_iter().find(|(column, _)| *column == name).map(|(_, field)| field);
    let text = |name: &str| match field(name) {
        Some(Field::Str(text)) => Ok(text.clone()),
        None | Some(Field::Null) => Ok(String::new()),
        Some(other) => bail!("{name} is {other}, which is not text"),
    };
    let bytes = |name: &str| match field(name) {
        Some(Field::Bytes(bytes)) => Ok(Some(bytes.data().to_vec())),
        None | Some(Field::Null) => Ok(None),
        Some(other) => bail!("{name} is {other}, which is not bytes"),
    };
    let whole = |name: &str| match field(name) {
        Some(Field::Long(value)) => Ok(Some(*value)),
        Some(Field::Int(value)) => Ok(Some((*value).into())),
        None | Some(Field::Null) => Ok(None),
        Some(other) => bail!("{name} is {other}, which is not a whole number"),
    };
    let seconds = match field("seconds") {
        Some(Field::Double(value)) => *value,
        Some(Field::Float(value)) => (*value).into(),
        _ => bail!("it has no seconds"),
    };
    let path = match bytes("path_bytes")? {
        Some(path) => names::from_portable(&path),
        None => names::from_portable(text("path")?.as_bytes()),
    };
    let sha256 = bytes("audio_sha256")?.unwrap_or_else(|| vec![0; 32]);
    let tags = Tags {
        artist: text("artist")?,
        album_artist: text("album_artist")?,
        album: text("album")?,
        title: text("title")?,
        label: text("label")?,
        genre: text("genre")?,
        year: whole("year")?.map(i32::try_from).transpose()?,
    };
    let track = Track {
        path,
        seconds,
        sha256: sha256.try_into().ok().context("audio_sha256 has not 32 bytes")?,
        bytes: whole("bytes")?.and_then(|size| size.try_into().ok()).unwrap_or_default(),
        modified: whole("modified")?,
        tags,
    };
    let vector = floats(field("embedding")).context("embedding")?;
    let activations = floats(field("activations")).context("activations")?;
    Ok((track, Embedding { vector, activations, patches: Vec::new() }))
}

fn floats(field: Option<&Field>) -> Result<Vec<f32>> {
    match field {
        None | Some(Field::Null) => Ok(Vec::new()),
        Some(Field::ListInternal(list)) => list
            .elements()
            .iter()
            .map(|element| match element {
                Field::Float(value) => Ok(*value),
                Field::Double(value) => Ok(*value as f32),
                other => bail!("{other} is not a number"),
            })
            .collect(),
        Some(other) => bail!("{other} is not a list"),
    }
}
