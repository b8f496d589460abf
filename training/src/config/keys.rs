//! The keys of a configuration: those of the shipped files.

use toml::{Table, Value};

use super::{DISTIL, SHIPPED};

/// Checks that `table` has exactly the keys of the shipped file with its objective.
pub(super) fn check(table: &Table) -> Result<(), String> {
    let kind = match table.get("objective").and_then(|objective| objective.get("kind")) {
        Some(Value::String(kind)) => kind.as_str(),
        Some(other) => return Err(format!("objective.kind is {other}, not a string")),
        // The message names the missing key, whatever else is wrong.
        None if table.contains_key("objective") => return Err("the key `objective.kind` is missing".into()),
        None => "contrastive",
    };
    let shipped = |wanted: &str| SHIPPED.iter().find(|(name, _)| *name == wanted).expect("it is shipped").1;
    let text = match kind {
        "contrastive" => shipped("artist"),
        "tags" | "multitask" => shipped(kind),
        "distil" => DISTIL,
        _ => {
            return Err(format!(
                "objective.kind is `{kind}`; it must be contrastive, tags, multitask or distil"
            ));
        }
    };
    let known: Table = text.parse().expect("shipped files are TOML");
    let mut names = Vec::new();
    list(&known, "", &mut names);
    unknown(table, &known, "", &names)?;
    missing(table, &known, "")
}

/// All keys of `table` with their sections; for a list, the keys of its first entry.
fn list(table: &Table, section: &str, names: &mut Vec<String>) {
    for (key, value) in table {
        let name = join(section, key);
        match value {
            Value::Table(inner) => list(inner, &name, names),
            Value::Array(entries) => {
                if let Some(Value::Table(inner)) = entries.first() {
                    list(inner, &name, names);
                }
            }
            _ => {}
        }
        names.push(name);
    }
}

fn unknown(table: &Table, known: &Table, section: &str, names: &[String]) -> Result<(), String> {
    for (key, value) in table {
        let name = join(section, key);
        match (value, known.get(key)) {
            (_, None) => {
                return Err(format!("unknown key `{name}`; the nearest is `{}`", nearest(&name, names)));
            }
            (Value::Table(inner), Some(Value::Table(known))) => unknown(inner, known, &name, names)?,
            (Value::Array(entries), Some(Value::Array(known))) => {
                let Some(Value::Table(known)) = known.first() else { continue };
                for entry in entries {
                    if let Value::Table(inner) = entry {
                        unknown(inner, known, &name, names)?;
                    }
                }
            }
            _ => {}
        }
    }
    Ok(())
}

fn missing(table: &Table, known: &Table, section: &str) -> Result<(), String> {
    for (key, wanted) in known {
        let name = join(section, key);
        match (table.get(key), wanted) {
            (None, _) => return Err(format!("the key `{name}` is missing")),
            (Some(Value::Table(inner)), Value::Table(wanted)) => missing(inner, wanted, &name)?,
            (Some(_), Value::Table(_)) => return Err(format!("`{name}` is not a section [{name}]")),
            (Some(Value::Array(entries)), Value::Array(wanted)) => {
                let Some(Value::Table(wanted)) = wanted.first() else { continue };
                for entry in entries {
                    let Value::Table(inner) = entry else {
                        return Err(format!("`{name}` is not a list of sections [[{name}]]"));
                    };
                    missing(inner, wanted, &name)?;
                }
            }
            (Some(_), Value::Array(_)) => {
                return Err(format!("`{name}` is not a list of sections [[{name}]]"));
            }
            _ => {}
        }
    }
    Ok(())
}

/// The most similar key: one with the same name in another section, or else the one with the nearest spelling.
fn nearest<'a>(name: &str, names: &'a [String]) -> &'a str {
    let last = |name: &str| name.rsplit('.').next().unwrap_or(name).to_owned();
    let key = last(name);
    let section = name.strip_suffix(key.as_str()).unwrap_or("");
    let distance = |other: &&String| {
        let keys = strsim::damerau_levenshtein(&key, &last(other));
        // Half a letter, so that of two equally near keys the one in the same section is first.
        2 * keys + usize::from(!(other.starts_with(section) && other[section.len()..] == last(other)))
    };
    names.iter().min_by_key(distance).expect("there are keys")
}

fn join(section: &str, key: &str) -> String {
    if section.is_empty() { key.to_owned() } else { format!("{section}.{key}") }
}

/// A value on the command line: TOML, or a string without quotes.
pub(super) fn value(text: &str) -> Value {
    match format!("value = {text}").parse::<Table>() {
        // A line break could add other keys.
        Ok(mut table) if table.len() == 1 => table.remove("value").expect("the one key"),
        _ => Value::String(text.to_owned()),
    }
}

/// Sets an existing key.
pub(super) fn set(table: &mut Table, key: &str, value: Value) -> Result<(), String> {
    let mut names = Vec::new();
    list(table, "", &mut names);
    let refuse = || format!("unknown key `{key}`; the nearest is `{}`", nearest(key, &names));
    let mut parts = key.split('.');
    let mut place = parts.next().and_then(|first| table.get_mut(first)).ok_or_else(refuse)?;
    for part in parts {
        place = match place {
            Value::Table(inner) => inner.get_mut(part),
            Value::Array(entries) => {
                let named = |entry: &Value| entry.get("name").and_then(Value::as_str) == Some(part);
                let at = part.parse().ok().or_else(|| entries.iter().position(named));
                at.and_then(|at: usize| entries.get_mut(at))
            }
            _ => None,
        }
        .ok_or_else(refuse)?;
    }
    // Accept `1` for `1.0`.
    *place = match (&*place, value) {
        (Value::Float(_), Value::Integer(whole)) => Value::Float(whole as f64),
        (_, value) => value,
    };
    Ok(())
}
