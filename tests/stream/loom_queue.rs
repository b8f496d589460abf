//! The queue between a writer and a reader, tested with loom, which runs every order in which the loads and stores of
//! two threads can take effect, including stale values that relaxed loads may see.
//!
//! The queue's source is compiled here again with loom's atomics instead of the standard ones. Its slots are plain
//! memory here, which loom checks: concurrent access to a slot is an error, even if loom could not make it read a wrong
//! value. The queues are tiny, because a large queue runs the same code.

use std::collections::VecDeque;

#[allow(dead_code)]
#[path = "../../src/stream/queue.rs"]
mod queue;

/// What `queue` imports from its parent.
mod atomics {
    pub(super) use loom::sync::Arc;
    pub(super) use loom::sync::atomic::{AtomicBool, AtomicU64, Ordering};

    pub(super) type SampleSlot = Slot<u32>;
    pub(super) type MarkSlot = Slot<u64>;

    /// The interface of an atomic for memory that two threads must not access concurrently.
    pub(super) struct Slot<T>(loom::cell::UnsafeCell<T>);

    // SAFETY: loom fails the test if two threads access the value concurrently.
    unsafe impl<T: Send> Sync for Slot<T> {}

    impl<T: Copy> Slot<T> {
        pub(super) fn new(value: T) -> Self {
            Slot(loom::cell::UnsafeCell::new(value))
        }

        pub(super) fn load(&self, order: Ordering) -> T {
            assert_eq!(order, Ordering::Relaxed, "slots do not order anything");
            // SAFETY: the pointer is valid, and loom checks that no thread writes.
            self.0.with(|value| unsafe { *value })
        }

        pub(super) fn store(&self, value: T, order: Ordering) {
            assert_eq!(order, Ordering::Relaxed, "slots do not order anything");
            // SAFETY: the pointer is valid, and loom checks that no other thread reads or writes.
            self.0.with_mut(|slot| unsafe { *slot = value });
        }
    }
}

use queue::{Event, Reader, View, Writer};

/// Runs `model` in every order, with at most `preemptions` preemptions of threads that do not block.
fn check(preemptions: Option<usize>, model: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = preemptions;
    builder.check(model);
}

fn write(writer: &mut Writer, values: &[f32]) {
    writer.write(values, |value| value);
}

/// What a reader has taken from the queue.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Item {
    Sample(f32),
    Event(Event),
}

/// Takes what is available according to `view`.
fn take(reader: &mut Reader, view: View, items: &mut Vec<Item>) {
    let mut samples = Vec::new();
    reader.read(view.samples, &mut samples);
    items.extend(samples.into_iter().map(Item::Sample));
    if let Some(event) = view.event {
        items.push(Item::Event(event));
        reader.consume_mark();
    }
}

/// Reads until the writer is dropped and the queue is empty.
fn take_all(mut reader: Reader) -> Vec<Item> {
    let mut items = Vec::new();
    loop {
        let view = reader.look();
        take(&mut reader, view, &mut items);
        if view.writer_dropped && view.event.is_none() {
            return items;
        }
        loom::thread::yield_now();
    }
}

#[test]
fn samples_cross_whole_and_in_order_through_a_full_ring() {
    check(Some(3), || {
        let (mut writer, reader) = queue::queue(2, 1).unwrap();
        let writer = loom::thread::spawn(move || {
            let mut rest: VecDeque<f32> = (1..=4).map(|value| value as f32).collect();
            while !rest.is_empty() {
                let fits = writer.room().min(rest.len());
                let now: Vec<f32> = rest.drain(..fits).collect();
                write(&mut writer, &now);
                if fits == 0 {
                    loom::thread::yield_now();
                }
            }
        });
        let items = take_all(reader);
        assert_eq!(items, [1.0, 2.0, 3.0, 4.0].map(Item::Sample));
        writer.join().unwrap();
    });
}

#[test]
fn events_keep_their_place_however_late_they_are_seen() {
    check(None, || {
        let (mut writer, reader) = queue::queue(3, 2).unwrap();
        let writer = loom::thread::spawn(move || {
            write(&mut writer, &[1.0]);
            writer.mark(Event::Finish);
            writer.mark(Event::Reset);
            write(&mut writer, &[2.0, 3.0]);
        });
        let expected = [
            Item::Sample(1.0),
            Item::Event(Event::Finish),
            Item::Event(Event::Reset),
            Item::Sample(2.0),
            Item::Sample(3.0),
        ];
        assert_eq!(take_all(reader), expected);
        writer.join().unwrap();
    });
}

#[test]
fn a_full_queue_takes_an_end_and_a_finished_recording_is_never_taken_for_an_abandoned_one() {
    check(None, || {
        let (mut writer, mut reader) = queue::queue(1, 1).unwrap();
        let writer = loom::thread::spawn(move || {
            write(&mut writer, &[1.0]);
            assert_eq!(writer.room_for_marks(), 1);
            writer.mark(Event::Finish);
        });
        let mut items = Vec::new();
        loop {
            let view = reader.look();
            // A reader that sees that the writer is dropped also sees the end that the writer marked before.
            assert!(!view.writer_dropped || view.event == Some(Event::Finish));
            take(&mut reader, view, &mut items);
            if view.event.is_some() {
                break;
            }
            loom::thread::yield_now();
        }
        assert_eq!(items, [Item::Sample(1.0), Item::Event(Event::Finish)]);
        writer.join().unwrap();
    });
}

#[test]
fn a_mark_s_slot_is_not_written_again_before_it_is_read() {
    check(None, || {
        let (mut writer, reader) = queue::queue(1, 1).unwrap();
        let writer = loom::thread::spawn(move || {
            for event in [Event::Reset, Event::Finish] {
                while writer.room_for_marks() == 0 {
                    loom::thread::yield_now();
                }
                writer.mark(event);
            }
        });
        assert_eq!(take_all(reader), [Event::Reset, Event::Finish].map(Item::Event));
        writer.join().unwrap();
    });
}

#[test]
fn a_reader_that_leaves_is_noticed_and_leaves_nothing_in_the_way() {
    check(None, || {
        let (mut writer, mut reader) = queue::queue(2, 1).unwrap();
        let reader = loom::thread::spawn(move || {
            let mut items = Vec::new();
            let view = reader.look();
            take(&mut reader, view, &mut items);
            items
        });
        let mut written = 0;
        while !writer.reader_dropped() {
            if writer.room() > 0 {
                written += 1;
                write(&mut writer, &[written as f32]);
            }
            loom::thread::yield_now();
        }
        let items = reader.join().unwrap();
        assert!(items.len() <= written);
        assert!(items.iter().enumerate().all(|(index, &item)| item == Item::Sample((index + 1) as f32)));
    });
}
