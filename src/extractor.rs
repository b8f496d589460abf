//! One recording to embeddings and predictions.
