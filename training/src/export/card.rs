//! A model card in the form that Hugging Face shows: a Markdown file whose YAML header has licence, tags and figures.
//!
//! Everything in it is from the model's metadata and from results files. Figures count only if they were measured with
//! exactly this file, by its SHA-256.

use std::fmt::Write;

use serde_json::{Map, Value, json};
use sleeve::engine::Purpose;
use sleeve::model::Model;

use crate::evaluation::results::{Figure, Results, Task};

/// Licences that Hugging Face knows, as they are written there.
const LICENCES: [&str; 13] = [
    "agpl-3.0",
    "apache-2.0",
    "bsd-3-clause",
    "cc-by-4.0",
    "cc-by-nc-4.0",
    "cc-by-nc-sa-4.0",
    "cc-by-sa-4.0",
    "cc0-1.0",
    "gpl-3.0",
    "isc",
    "lgpl-3.0",
    "mit",
    "mpl-2.0",
];

/// The card of a model, with the figures of those results that were measured with it alone.
pub fn card(model: &Model, results: &[Results]) -> String {
    let document = model.metadata().document();
    let own: Vec<&Results> = results
        .iter()
        .filter(|results| matches!(&results.encoders[..], [one] if one.identity == model.sha256()))
        .collect();
    let mut text = header(model, document, &own);
    let say = |key: &str| document.get(key).and_then(Value::as_str).unwrap_or_default().trim();
    let _ = write!(text, "\n# {}\n\n{}\n", model.name(), sentence(say("description")));
    let _ = write!(text, "\n## What it takes and gives\n\n{}\n\n", input(model));
    text += "| output | values | what |\n|---|---|---|\n";
    for (at, output) in model.outputs().iter().enumerate() {
        let what = described(document, &output.name).unwrap_or_else(|| model.meaning(at).name().to_owned());
        let _ = writeln!(text, "| `{}` | {} | {} |", cell(&output.name), output.dim, cell(&what));
    }
    if !model.classes().is_empty() {
        let _ = write!(text, "\nClasses: {}.\n", model.classes().join(", "));
    }
    let _ = write!(
        text,
        "\n## How to use it\n\n```\nsleeve extract --model {}.onnx song.mp3 --output embeddings\n```\n\nThe ONNX file \
         runs in any runtime; its input is the mel-spectrogram that `sleeve mel` writes.\n",
        model.name()
    );
    text += "\n## Figures\n\n";
    text += &figures(&own);
    let dataset = document.get("dataset").and_then(Value::as_object);
    let of_dataset =
        |key: &str| dataset.and_then(|own| own.get(key)).and_then(Value::as_str).unwrap_or_default();
    let _ = write!(
        text,
        "\n## Training data\n\n{}\n",
        match (of_dataset("name"), of_dataset("size")) {
            ("", _) => "Not stated.".to_owned(),
            (name, "") => sentence(name),
            (name, size) => sentence(&format!("{name}, {size}")),
        }
    );
    let licence = say("license");
    let _ = write!(
        text,
        "\n## Licence\n\n{}\n",
        if licence.is_empty() { "Not stated.".into() } else { sentence(licence) }
    );
    let citation = say("citation");
    if !citation.is_empty() {
        let _ = write!(text, "\n## To cite it\n\n```\n{citation}\n```\n");
    }
    text
}

/// The YAML header. Strings are written as JSON strings, which YAML reads as they are.
fn header(model: &Model, document: &Map<String, Value>, results: &[&Results]) -> String {
    let licence = document.get("license").and_then(Value::as_str).unwrap_or_default().trim();
    let known = LICENCES.into_iter().find(|known| licence.eq_ignore_ascii_case(known));
    let has_tags = model.output(Purpose::Predictions).is_some();
    let mut text = "---\n".to_owned();
    let _ = writeln!(text, "license: {}", known.unwrap_or("other"));
    if known.is_none() && !licence.is_empty() {
        let _ = writeln!(text, "license_name: {}", json!(licence));
    }
    text += "library_name: sleeve\n";
    let task = if has_tags { "audio-classification" } else { "feature-extraction" };
    let _ = writeln!(text, "pipeline_tag: {task}\ntags:\n- music\n- audio\n- embeddings\n- onnx");
    if results.is_empty() {
        return text + "---\n";
    }
    let _ = writeln!(text, "model-index:\n- name: {}\n  results:", json!(model.name()));
    for results in results {
        let (kind, name) = match results.task {
            Task::Downstream => ("audio-classification", "labels learnt from frozen embeddings"),
            Task::Retrieval => ("feature-extraction", "neighbours by cosine"),
        };
        let dataset = json!(results.dataset);
        let _ = writeln!(text, "  - task:\n      type: {kind}\n      name: {}", json!(name));
        let _ = writeln!(text, "    dataset:\n      type: {dataset}\n      name: {dataset}\n    metrics:");
        for (metric, figure) in shown(results) {
            let kind = json!(metric);
            let _ = writeln!(
                text,
                "    - type: {kind}\n      name: {kind}\n      value: {}",
                json!(figure.value)
            );
        }
    }
    text + "---\n"
}

/// The figures of the model itself: not those of chance, and not differences from others.
fn shown(results: &Results) -> impl Iterator<Item = (&String, &Figure)> {
    results.metrics.iter().filter(|(name, _)| !name.ends_with("_chance") && !name.contains("_over_"))
}

fn figures(results: &[&Results]) -> String {
    if results.is_empty() {
        return "None were measured with this file.\n".into();
    }
    let mut text =
        "| data set | figure | value | 95 % interval | by chance |\n|---|---|---|---|---|\n".to_owned();
    for results in results {
        for (name, figure) in shown(results) {
            let interval =
                figure.interval.map_or(String::new(), |[low, high]| format!("{low:.4} to {high:.4}"));
            let chance = results.metrics.get(&format!("{name}_chance"));
            let chance = chance.map_or(String::new(), |chance| format!("{:.4}", chance.value));
            let dataset = cell(&results.dataset);
            let _ = writeln!(text, "| {dataset} | {name} | {:.4} | {interval} | {chance} |", figure.value);
        }
    }
    for results in results {
        for remark in &results.remarks {
            let _ = write!(text, "\n{}: {}", results.dataset, sentence(remark));
        }
    }
    text + "\n"
}

fn input(model: &Model) -> String {
    match model.audio_patching() {
        Ok(patching) => format!(
            "Audio at {} Hz, mono, in patches of {:.2} s ({} frames of {} bands).",
            model.sample_rate(),
            patching.duration(),
            patching.frames(),
            patching.front_end().bands()
        ),
        Err(_) => "Patches, as its metadata say.".into(),
    }
}

/// What the metadata say about an output.
fn described(document: &Map<String, Value>, name: &str) -> Option<String> {
    let outputs = document.get("schema")?.get("outputs")?.as_array()?;
    let own = outputs.iter().find(|output| output.get("name").and_then(Value::as_str) == Some(name))?;
    let text = own.get("description")?.as_str()?.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

/// Text for a cell of a table.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace(['\n', '\r'], " ")
}

/// A text with a full stop.
fn sentence(text: &str) -> String {
    let text = text.trim();
    if text.is_empty() || text.ends_with(['.', '!', '?']) { text.to_owned() } else { format!("{text}.") }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::evaluation::results::{SCHEMA, Source};

    fn measured(identity: &str, dataset: &str) -> Results {
        let figure = |value, interval| Figure { value, interval, seeds: vec![] };
        Results {
            schema: SCHEMA,
            task: Task::Retrieval,
            dataset: dataset.into(),
            encoders: vec![Source { name: "x".into(), identity: identity.into(), dimensions: 200 }],
            protocol: BTreeMap::new(),
            counts: BTreeMap::new(),
            metrics: BTreeMap::from([
                ("same_artist_map".into(), figure(0.25, Some([0.125, 0.5]))),
                ("same_artist_map_chance".into(), figure(0.0625, None)),
                ("same_artist_map_over_other".into(), figure(0.1, None)),
            ]),
            remarks: vec!["one recording was left out".into()],
        }
    }

    #[test]
    fn a_card_has_the_figures_of_this_file_and_no_others() {
        let model = Model::bundled("msd-musicnn-1").unwrap();
        let all = [measured(model.sha256(), "mine: \"50 %\""), measured("another", "theirs")];
        let text = card(&model, &all);
        let (front, body) = text.strip_prefix("---\n").unwrap().split_once("\n---\n").unwrap();
        assert!(
            front.starts_with("license: isc\nlibrary_name: sleeve\npipeline_tag: audio-classification\n"),
            "{front}"
        );
        // The quotes and the colon of a name do not break the header.
        assert!(front.contains("name: \"mine: \\\"50 %\\\"\""), "{front}");
        assert!(front.contains("- type: \"same_artist_map\"") && front.contains("value: 0.25"), "{front}");
        assert!(!front.contains("chance") && !front.contains("over_other") && !text.contains("theirs"));
        assert!(body.contains("| same_artist_map | 0.2500 | 0.1250 to 0.5000 | 0.0625 |"), "{body}");
        assert!(
            body.contains("one recording was left out.") && body.contains("| `embeddings` | 200 |"),
            "{body}"
        );
        assert!(body.contains("patches of 3.01 s") || body.contains("patches of 2.99 s"), "{body}");
        let without = card(&model, &all[1..]);
        assert!(!without.contains("model-index") && without.contains("None were measured with this file."));
    }
}
