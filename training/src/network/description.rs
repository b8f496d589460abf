//! The description of a network, besides its weights: stored in its checkpoint, and exported as metadata.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::architecture::EMBEDDING;

/// The architecture's name in checkpoints.
pub const ARCHITECTURE: &str = "efficientnet-b0";
/// Values of the projection.
pub const PROJECTION: usize = 512;
/// Names that exported files already use.
const TAKEN: [&str; 3] = ["embeddings", "melspectrogram", "training"];
/// TorchScript is a part of Python, whose keywords cannot be names.
const KEYWORDS: [&str; 35] = [
    "False", "None", "True", "and", "as", "assert", "async", "await", "break", "class", "continue", "def",
    "del", "elif", "else", "except", "finally", "for", "from", "global", "if", "import", "in", "is",
    "lambda", "nonlocal", "not", "or", "pass", "raise", "return", "try", "while", "with", "yield",
];
/// A limit for heads and for their values, more than any data set needs.
const MOST: usize = 1 << 16;

/// The description in a checkpoint.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Description {
    /// [`ARCHITECTURE`].
    pub architecture: String,
    /// The heads, in the order of the outputs.
    #[serde(default)]
    pub heads: Vec<Head>,
    /// Names of the first classifier's classes; may be empty.
    #[serde(default)]
    pub classes: Vec<String>,
    /// Keys of the model's metadata, such as `dataset`, `description` or `license`.
    #[serde(default)]
    pub metadata: Map<String, Value>,
}

/// A layer on top of the embedding.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// Its name, also that of its output: letters, digits and underscores, beginning with a letter.
    pub name: String,
    /// The kind of head.
    pub kind: HeadKind,
    /// Values per patch.
    pub values: usize,
    /// Names of the classes of a further classifier; may be empty. Those of the first are the description's.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub classes: Vec<String>,
}

/// The kinds of heads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum HeadKind {
    /// A dense layer, layer norm and tanh, with a bilinear similarity: for the contrastive objectives.
    Projection,
    /// A dense layer; its sigmoid is the probability of each class.
    Classes,
    /// A dense layer: the embedding of another model, which the network has learnt to predict.
    Dense,
}

impl Head {
    /// The projection of the contrastive objectives.
    pub fn projection(name: &str) -> Self {
        Head::new(name, HeadKind::Projection, PROJECTION)
    }

    /// A classifier, such as that of style tags.
    pub fn classes(name: &str, count: usize) -> Self {
        Head::new(name, HeadKind::Classes, count)
    }

    /// A prediction of another model's embedding.
    pub fn dense(name: &str, values: usize) -> Self {
        Head::new(name, HeadKind::Dense, values)
    }

    fn new(name: &str, kind: HeadKind, values: usize) -> Self {
        Head { name: name.into(), kind, values, classes: Vec::new() }
    }

    /// The prefix of its weights' names.
    pub fn path(&self) -> String {
        format!("heads.{}", self.name)
    }
}

impl Description {
    /// An EfficientNet-B0 with these heads, without other metadata.
    pub fn new(heads: Vec<Head>) -> Self {
        let (classes, metadata) = Default::default();
        Description { architecture: ARCHITECTURE.into(), heads, classes, metadata }
    }

    /// The first classifier, if there is one.
    pub fn classifier(&self) -> Option<&Head> {
        self.heads.iter().find(|head| head.kind == HeadKind::Classes)
    }

    /// Whether this crate supports such a network.
    ///
    /// # Errors
    /// The reason, without the file's name.
    pub fn check(&self) -> Result<(), String> {
        if self.architecture != ARCHITECTURE {
            return Err(format!("a network of architecture `{}`, not {ARCHITECTURE}", self.architecture));
        }
        if self.heads.len() > MOST {
            return Err(format!("{} heads", self.heads.len()));
        }
        for (index, head) in self.heads.iter().enumerate() {
            let name = &head.name;
            let is_name = name.starts_with(|first: char| first.is_ascii_alphabetic())
                && name.len() <= 64
                && name.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '_');
            if !is_name {
                return Err(format!("a head is called {name:?}; names have only letters, digits and _"));
            }
            if TAKEN.contains(&name.as_str()) || KEYWORDS.contains(&name.as_str()) {
                return Err(format!("a head is called `{name}`, which is reserved in exported files"));
            }
            if self.heads[..index].iter().any(|other| other.name == *name) {
                return Err(format!("two heads are called `{name}`"));
            }
            if !(1..=MOST).contains(&head.values) {
                return Err(format!("head `{name}` has {} values", head.values));
            }
        }
        let first = self.classifier();
        for head in self.heads.iter().filter(|head| !head.classes.is_empty()) {
            if head.kind != HeadKind::Classes || first.is_some_and(|first| first.name == head.name) {
                return Err(format!(
                    "head `{}` names classes of its own; only further classifiers do",
                    head.name
                ));
            }
            if head.classes.len() != head.values {
                let (named, values) = (head.classes.len(), head.values);
                return Err(format!(
                    "{named} classes are named, but head `{}` has {values} values",
                    head.name
                ));
            }
        }
        match first {
            Some(head) if !self.classes.is_empty() && self.classes.len() != head.values => Err(format!(
                "{} classes are named, but head `{}` has {} values",
                self.classes.len(),
                head.name,
                head.values
            )),
            None if !self.classes.is_empty() => Err("classes are named, but no head predicts them".into()),
            _ => Ok(()),
        }
    }

    /// The names and widths of the outputs: the heads', then the embedding.
    pub fn outputs(&self) -> Vec<(&str, usize)> {
        let heads = self.heads.iter().map(|head| (head.name.as_str(), head.values));
        heads.chain([("embeddings", EMBEDDING)]).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_contradicts_itself_is_refused() {
        type Change = fn(&mut Description);
        let check = |change: Change| {
            let mut description = Description::new(vec![Head::projection("a"), Head::classes("b", 2)]);
            change(&mut description);
            description.check()
        };
        assert_eq!(check(|_| {}), Ok(()));
        let cases: [(&str, Change); 11] = [
            ("architecture `musicnn`", |it| it.architecture = "musicnn".into()),
            ("`embeddings`, which is reserved", |it| it.heads[0].name = "embeddings".into()),
            ("`class`, which is reserved", |it| it.heads[0].name = "class".into()),
            ("\"a.b\"", |it| it.heads[0].name = "a.b".into()),
            ("\"0\"", |it| it.heads[0].name = "0".into()),
            ("two heads are called `b`", |it| it.heads[0].name = "b".into()),
            ("has 0 values", |it| it.heads[0].values = 0),
            ("only further classifiers", |it| it.heads[1].classes = vec!["one".into(), "two".into()]),
            ("1 classes are named, but head `a` has 512", |it| {
                it.heads.swap(0, 1);
                (it.heads[1].kind, it.heads[1].classes) = (HeadKind::Classes, vec!["one".into()]);
            }),
            ("1 classes are named, but head `b` has 2", |it| it.classes = vec!["one".into()]),
            ("no head predicts them", |it| {
                it.heads.pop();
                it.classes = vec!["one".into()];
            }),
        ];
        for (reason, change) in cases {
            let said = check(change).unwrap_err();
            assert!(said.contains(reason), "{said}");
        }
    }
}
