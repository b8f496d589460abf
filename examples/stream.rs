//! Tags while audio plays: one thread writes samples, as an audio callback would, another runs the model:
//! `arecord -q -t raw -f S16_LE -r 44100 -c 2 | cargo run --release --example stream`.

use std::io::Read;
use std::time::Duration;

use sleeve::extractor::{Extractor, Rows};
use sleeve::model::Model;
use sleeve::stream::{State, Stream, StreamOptions};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let extractor = Extractor::builder(Model::bundled("msd-musicnn-1")?).output("predictions").build()?;
    let (mut writer, mut reader) = Stream::open(&extractor, &StreamOptions::new(44_100, 2))?;

    let audio = std::thread::spawn(move || -> std::io::Result<()> {
        let mut input = std::io::stdin().lock();
        // 1,024 sample frames of two 16-bit channels.
        let mut block = [0; 1024 * 4];
        while input.read_exact(&mut block).is_ok() {
            let samples: Vec<i16> =
                block.chunks_exact(2).map(|bytes| i16::from_le_bytes([bytes[0], bytes[1]])).collect();
            let mut rest = samples.as_slice();
            // A pipe can wait while the queue is full; live audio would drop the rest.
            while !rest.is_empty() {
                let written = writer.write_i16(rest).map_err(std::io::Error::other)?;
                rest = &rest[2 * written..];
                std::thread::sleep(Duration::from_millis(if written == 0 { 2 } else { 0 }));
            }
        }
        writer.finish();
        Ok(())
    });

    let classes = extractor.outputs().next().expect("one output is selected").classes.clone();
    let mut print = |rows: &Rows<'_>| {
        for (row, time) in rows.outputs[0].rows().into_iter().zip(rows.times) {
            let strongest = row.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1));
            if let Some((class, activation)) = strongest {
                println!("{time:7.2} s  {} {activation:.2}", classes[class]);
            }
        }
        Ok(())
    };
    loop {
        match reader.read(&mut print)?.state {
            State::More => {}
            State::Waiting => std::thread::sleep(Duration::from_millis(5)),
            State::Finished | State::Abandoned => break,
        }
    }
    audio.join().expect("the audio thread does not panic")?;
    Ok(())
}
