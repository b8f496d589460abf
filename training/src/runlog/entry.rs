//! One entry of a log.

use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Map, Value};

/// Values by name, at a step of an epoch.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// Seconds since 1970.
    pub time: f64,
    /// The epoch, counted from 1.
    pub epoch: u64,
    /// Optimizer steps since the run began.
    pub step: u64,
    /// The values.
    pub values: BTreeMap<String, f64>,
}

impl Entry {
    /// An entry with the current time and without values.
    pub fn new(epoch: u64, step: u64) -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Entry { time: since.as_secs_f64(), epoch, step, values: BTreeMap::new() }
    }

    /// Adds a value.
    pub fn with(mut self, name: &str, value: f64) -> Self {
        self.values.insert(name.to_owned(), value);
        self
    }

    /// The entry as one line of JSON, without line end.
    pub fn to_json(&self) -> String {
        let mut line = Map::new();
        line.insert("time".into(), number(self.time));
        line.insert("epoch".into(), self.epoch.into());
        line.insert("step".into(), self.step.into());
        for (name, &value) in &self.values {
            line.entry(name.clone()).or_insert_with(|| number(value));
        }
        Value::Object(line).to_string()
    }

    /// Parses a line.
    ///
    /// # Errors
    /// Why it is not an entry.
    pub fn from_json(line: &[u8]) -> Result<Self, String> {
        let line: Map<String, Value> = serde_json::from_slice(line).map_err(|error| error.to_string())?;
        let whole = |name: &str| {
            line.get(name)
                .and_then(Value::as_u64)
                .ok_or_else(|| format!("`{name}` is missing or not a count"))
        };
        let mut entry =
            Entry { time: 0.0, epoch: whole("epoch")?, step: whole("step")?, values: BTreeMap::new() };
        for (name, value) in &line {
            let value = match value {
                Value::String(text) => match text.as_str() {
                    "NaN" => Some(f64::NAN),
                    "Infinity" => Some(f64::INFINITY),
                    "-Infinity" => Some(f64::NEG_INFINITY),
                    _ => None,
                },
                value => value.as_f64(),
            };
            let value = value.ok_or_else(|| format!("`{name}` is not a number"))?;
            match name.as_str() {
                "time" => entry.time = value,
                "epoch" | "step" => {}
                _ => drop(entry.values.insert(name.clone(), value)),
            }
        }
        Ok(entry)
    }
}

fn number(value: f64) -> Value {
    match value {
        value if value.is_nan() => "NaN".into(),
        f64::INFINITY => "Infinity".into(),
        f64::NEG_INFINITY => "-Infinity".into(),
        value => value.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_holds_everything() {
        let entry = Entry { time: 1.5, epoch: 2, step: 30, values: BTreeMap::new() }
            .with("train/artist/loss", 0.1)
            .with("learning_rate", 1e-3)
            .with("lost", f64::INFINITY);
        let line = entry.to_json();
        let wanted = r#"{"time":1.5,"epoch":2,"step":30,"learning_rate":0.001,"lost":"Infinity","train/artist/loss":0.1}"#;
        assert_eq!(line, wanted);
        assert_eq!(Entry::from_json(line.as_bytes()).unwrap(), entry);
        let nan = Entry::from_json(Entry::new(1, 1).with("x", f64::NAN).to_json().as_bytes()).unwrap();
        assert!(nan.values["x"].is_nan());
        assert!((1.7e9..1e10).contains(&nan.time));
    }
}
