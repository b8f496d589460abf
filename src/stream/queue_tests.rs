//! One thread at both ends of a queue. Apart from `queue.rs`, which is compiled under loom too.

use super::queue::{Event, Reader, View, Writer, queue};

fn write(writer: &mut Writer, values: &[f32]) {
    writer.write(values, |value| value);
}

fn read(reader: &mut Reader) -> Vec<f32> {
    let mut out = Vec::new();
    reader.read(reader.look().samples, &mut out);
    out
}

#[test]
fn samples_come_out_as_they_went_in_around_the_ring() {
    let (mut writer, mut reader) = queue(5, 1).unwrap();
    let mut next = 0.0;
    for count in [5, 1, 4, 0, 3, 5, 2].into_iter().cycle().take(70) {
        assert_eq!(writer.room(), 5);
        let values: Vec<f32> = (0..count).map(|index| next + index as f32).collect();
        write(&mut writer, &values);
        assert_eq!(writer.room(), 5 - count);
        assert_eq!(read(&mut reader), values);
        next += count as f32;
    }
}

#[test]
fn events_keep_their_place_among_the_samples() {
    let (mut writer, mut reader) = queue(8, 4).unwrap();
    let view = |samples, event| View { samples, event, writer_dropped: false };
    assert_eq!(reader.look(), view(0, None));
    write(&mut writer, &[1.0, 2.0]);
    assert_eq!(reader.look(), view(2, None));
    writer.mark(Event::Finish);
    writer.mark(Event::Reset);
    write(&mut writer, &[3.0]);
    assert_eq!(reader.look(), view(2, Some(Event::Finish)));
    assert_eq!(read(&mut reader), [1.0, 2.0]);
    assert_eq!(reader.look(), view(0, Some(Event::Finish)));
    reader.consume_mark();
    assert_eq!(reader.look(), view(0, Some(Event::Reset)));
    reader.consume_mark();
    assert_eq!(reader.look(), view(1, None));
    assert_eq!(writer.room_for_marks(), 4);
}

#[test]
#[should_panic = "no room for 3 samples"]
fn nothing_is_overwritten() {
    let (mut writer, _reader) = queue(4, 1).unwrap();
    write(&mut writer, &[0.0; 2]);
    write(&mut writer, &[0.0; 3]);
}

#[test]
fn absurd_sizes_are_errors() {
    assert!(queue(usize::MAX, 1).is_err());
    assert!(queue(usize::MAX / 8, 1).is_err());
}
