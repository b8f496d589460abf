//! One file's spectrogram and its tags over time, as a picture.

use std::path::Path;

use anyhow::{Context, Result, bail};
use sleeve::engine::Purpose;
use sleeve::extractor::{Extractor, Rows, each_frame};
use sleeve::front_end::FrontEnd;
use sleeve_files::AtomicFile;
use sleeve_files::names::shown;
use sleeve_plot::{Columns, TagRows};

use crate::inputs::Input;

/// Draws the last output with named classes of the only input.
pub fn draw(inputs: &[Input], extractors: &[Extractor], top: usize, output: &Path) -> Result<()> {
    let ([input], [extractor]) = (inputs, extractors) else {
        bail!("--picture takes one file and one model");
    };
    let tags = extractor
        .outputs()
        .enumerate()
        .filter(|(_, output)| output.purpose == Purpose::Predictions && !output.classes.is_empty())
        .last();
    let Some((position, info)) = tags else {
        bail!("{} has no tags to draw", extractor.model().name());
    };
    let patching = extractor.patching();
    let mut rows = TagRows::new(&info.classes, patching.time(1), patching.duration());
    let mut take = |batch: &Rows<'_>| {
        batch.outputs[position].rows().into_iter().for_each(|row| rows.push(row.iter()));
        Ok(())
    };
    extractor.run_file(&input.path, &mut take)?;
    let mut columns = Columns::new();
    each_frame(&input.path, FrontEnd::MusiCnn, extractor.audio_options().clone(), |frames| {
        columns.push(frames);
        Ok(())
    })?;
    let title = format!("{}  ·  tags of {}", shown(&input.name), info.model);
    let mut file = AtomicFile::create(output)?;
    sleeve_plot::tags(&rows, &columns, &title, top, &mut file)
        .with_context(|| format!("cannot draw {}", shown(output)))?;
    Ok(file.commit()?)
}
