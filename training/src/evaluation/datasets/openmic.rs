//! OpenMIC-2018 (Humphrey, Durand and McFee, 2018): 20,000 excerpts of ten seconds and twenty instruments. For each excerpt
//! it is known of a few instruments only whether they are there; the others neither teach nor count.
//!
//! `openmic-2018-aggregated-labels.csv` has `sample_key,instrument,relevance,num_responses`; an instrument is there from a
//! relevance of 0.5 on. `partitions/split01_train.csv` and `split01_test.csv` list the keys. The authors have no validation
//! part: here it is a seventh of the training tracks, those whose number (the key's first part) is divisible by 7. The
//! excerpt `000046_3840` is `000/000046_3840.ogg`.

use std::path::Path;

use rustc_hash::FxHashMap;

use super::text::{Form, column, rows, wrong};
use super::{Builder, Dataset, Known, Labelling, Said};
use crate::error::{Error, Result};
use crate::splits::Part;

const LABELS: &str = "openmic-2018-aggregated-labels.csv";
const PARTS: [(Part, &str); 2] =
    [(Part::Train, "partitions/split01_train.csv"), (Part::Test, "partitions/split01_test.csv")];
/// The relevance from which an instrument is there.
const THERE: f64 = 0.5;
/// One in so many training tracks validates.
const VALIDATION: u64 = 7;

/// Reads the folder of the data set.
///
/// # Errors
/// If a file is missing or damaged; the error has the file, the line and the reason.
pub fn read(metadata: &Path) -> Result<Dataset> {
    let file = metadata.join(LABELS);
    let table = rows(&file, Form::Commas)?;
    let (header, table) = table.split_first().ok_or_else(|| Error::format(&file, "it is empty"))?;
    let [key, instrument, relevance] =
        ["sample_key", "instrument", "relevance"].map(|name| column(&file, header, name));
    let (key, instrument, relevance) = (key?, instrument?, relevance?);
    let mut said: FxHashMap<String, FxHashMap<String, bool>> = FxHashMap::default();
    let mut instruments: Vec<String> = Vec::new();
    for row in table {
        row.check_length(&file, header.fields.len())?;
        let text = row.fields[relevance].trim();
        let share = text.parse().ok().filter(|share: &f64| (0.0..=1.0).contains(share));
        let share =
            share.ok_or_else(|| wrong(&file, row.line, format!("{text:?} is not a relevance, 0 to 1")))?;
        let name = row.fields[instrument].trim().to_owned();
        let of = said.entry(row.fields[key].trim().to_owned()).or_default();
        if of.insert(name.clone(), share >= THERE).is_some() {
            return Err(wrong(&file, row.line, format!("{name} is said twice of {}", row.fields[key])));
        }
        instruments.push(name);
    }
    instruments.sort_unstable();
    instruments.dedup();
    let mut builder = Builder::new();
    for (part, name) in PARTS {
        let list = metadata.join(name);
        for row in rows(&list, Form::Commas)? {
            let key = row.fields[0].trim();
            let number = key.split_once('_').filter(|(track, _)| track.len() == 6);
            let number = number.and_then(|(track, _)| track.parse::<u64>().ok());
            let number = number
                .ok_or_else(|| wrong(&list, row.line, format!("{key:?} is not a key like 000046_3840")))?;
            let Some(known) = said.get(key) else {
                return Err(wrong(&list, row.line, format!("{key} has no labels in {LABELS}")));
            };
            let with = |there: bool| {
                let names = known.iter().filter(move |(_, own)| **own == there);
                names.map(|(name, _)| name.clone()).collect::<Vec<_>>()
            };
            let unknown = instruments.iter().filter(|name| !known.contains_key(*name)).cloned().collect();
            let is_judge = part == Part::Train && number.is_multiple_of(VALIDATION);
            let part = if is_judge { Part::Validation } else { part };
            let path = format!("{}/{key}.ogg", &key[..3]);
            let said = Said { names: with(true), unknown, ..Said::default() };
            builder.add_said(&list, row.line, vec![path], part, said)?;
        }
    }
    builder.finish(Known::OpenMic.name(), metadata, Labelling::Multi, instruments)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_said_is_not_known() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            std::fs::create_dir_all(folder.path().join("partitions")).unwrap();
            std::fs::write(folder.path().join(name), text).unwrap();
        };
        let labels = "sample_key,instrument,relevance,num_responses\n000046_3840,clarinet,0.17105,3\n\
            000046_3840,flute,0.5,3\n000049_1,drums,1.0,3\n000100_7,flute,0.9,3\n";
        write(LABELS, labels);
        write(PARTS[0].1, "000046_3840\n000049_1\n");
        write(PARTS[1].1, "000100_7\n");
        let dataset = read(folder.path()).unwrap();
        assert_eq!(dataset.classes, ["clarinet", "drums", "flute"]);
        // 49 is divisible by 7.
        assert_eq!((dataset.sizes(), dataset.labelling), ([1, 1, 1], Labelling::Multi));
        let first = &dataset.tracks[0];
        assert_eq!((&first.labels[..], &first.unknown[..]), (&[2][..], &[1][..]));
        assert_eq!(first.paths, ["000/000046_3840.ogg"]);
        assert_eq!((&dataset.tracks[2].labels[..], &dataset.tracks[2].unknown[..]), (&[2][..], &[0, 1][..]));
        for (name, text, reason) in [
            (LABELS, labels.replace("0.9", "1.9"), "line 5: \"1.9\" is not a relevance"),
            (LABELS, labels.replace("000100_7,flute", "000049_1,drums"), "drums is said twice of 000049_1"),
            (PARTS[1].1, "000101_7\n".into(), "000101_7 has no labels"),
            (PARTS[1].1, "100_7\n".into(), "is not a key"),
        ] {
            let before = std::fs::read_to_string(folder.path().join(name)).unwrap();
            write(name, &text);
            let said = read(folder.path()).unwrap_err().to_string();
            assert!(said.contains(reason), "{said}");
            write(name, &before);
        }
    }
}
