//! The default models.

use anyhow::{Context, Result};
use sleeve::model::Model;

/// The bundled model whose embeddings were adapted to find music that sounds alike.
const ADAPTED: &str = "sleeve-musicnn-1";

/// The model of tags: the library's default.
pub fn of_tags() -> Result<&'static str> {
    Model::bundled_names().next().context("this build has no bundled model: name one with --model")
}

/// The model of embeddings, if it is in this build.
pub fn of_embeddings() -> Option<&'static str> {
    Model::bundled_names().find(|&name| name == ADAPTED)
}
