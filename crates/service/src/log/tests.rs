use std::fs::{self, File};
use std::io::{Read, Write};

use super::*;

const SMALL: Bounds = Bounds {
    line: 100,
    rate: 1 << 30,
    length: 100,
};

fn text(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

#[test]
fn a_log_that_has_become_long_is_renamed_and_the_oldest_is_deleted() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("app.log");
    let mut log = Log::named(&path, SMALL);
    for number in 0..100 {
        log.write(format!("{number:039}\n").as_bytes());
    }
    let mut files: Vec<_> = fs::read_dir(directory.path())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    assert_eq!(files.len(), 4, "{files:?}");
    let all: String = files.iter().rev().map(|path| text(path)).collect();
    let wanted: String = (92..100).map(|number| format!("{number:039}\n")).collect();
    assert_eq!(
        all, wanted,
        "the last lines, none twice, none lost between two files"
    );
    assert_eq!(log.dropped(), 0);
}

#[test]
fn a_log_that_was_removed_is_begun_again_and_a_directory_that_is_missing_is_waited_for() {
    let directory = tempfile::tempdir().unwrap();
    let place = directory.path().join("logs");
    let path = place.join("app.log");
    let mut log = Log::named(&path, SMALL);
    log.write(b"one\n");
    assert_eq!(log.dropped(), 1);
    fs::create_dir(&place).unwrap();
    let begun = Instant::now();
    while log.dropped() > 0 && begun.elapsed() < Duration::from_secs(10) {
        log.catch_up();
    }
    assert_eq!(text(&path), "# lines dropped: 1 (entity not found)\n");
    fs::remove_file(&path).unwrap();
    log.write(b"two\n");
    assert_eq!(text(&path), "two\n");
}

#[test]
fn a_descriptor_that_has_become_long_waits_for_the_next_one() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("access.log");
    let mut log = Log::given(Some(open(&path).unwrap().into()), SMALL);
    for _ in 0..30 {
        log.write(b"0123456789\n");
    }
    assert_eq!((text(&path).len(), log.dropped()), (99, 21));
    log.give(begin_anew(&path).unwrap().into());
    log.write(b"next\n");
    assert_eq!(
        text(&path),
        "# lines dropped: 21 (the log had become too long)\nnext\n"
    );
}

#[test]
fn a_pipe_that_nobody_reads_holds_up_nobody() {
    let (mut read, write) = io::pipe().unwrap();
    let mut log = Log::given(Some(write.into()), OWN);
    let line = [&[b'x'; 999][..], b"\n"].concat();
    // More than any pipe of this kernel holds unless it is asked to.
    for _ in 0..2_000 {
        log.write(&line);
    }
    let dropped = log.dropped();
    assert!(dropped > 1_000, "{dropped}");
    let mut bytes = vec![0; 32 << 10];
    read.read_exact(&mut bytes).unwrap();
    log.write(b"after\n");
    drop(log);
    let mut rest = String::new();
    read.read_to_string(&mut rest).unwrap();
    assert!(
        rest.ends_with(&format!(
            "# lines dropped: {dropped} (they were not read)\nafter\n"
        )),
        "{rest}"
    );
}

#[test]
fn a_pipe_without_a_reader_is_no_reason_to_end() {
    let (read, write) = io::pipe().unwrap();
    drop(read);
    let mut log = Log::given(Some(write.into()), OWN);
    log.write(b"one\n");
    assert_eq!(log.dropped(), 1);
}

#[test]
fn more_than_a_second_may_have_is_dropped() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("app.log");
    let mut log = Log::named(
        &path,
        Bounds {
            rate: 1_000,
            length: 1 << 30,
            ..SMALL
        },
    );
    for _ in 0..1_000 {
        log.write(b"0123456789012345678901234567890123456789012345678\n");
    }
    assert!(
        (4_000..10_000).contains(&text(&path).len()),
        "{}",
        text(&path).len()
    );
    assert!(log.dropped() > 800);
}

/// `/dev/full` takes nothing, as a disk without room.
#[test]
fn what_takes_nothing_is_counted() {
    let mut log = Log::given(
        Some(
            File::options()
                .write(true)
                .open("/dev/full")
                .unwrap()
                .into(),
        ),
        OWN,
    );
    log.write(b"one\ntwo\n");
    log.write(b"three\n");
    assert_eq!(log.dropped(), 3);
}

#[test]
fn half_a_line_is_ended_before_the_next() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("app.log");
    let mut log = Log::named(&path, OWN);
    log.write(b"whole\n");
    log.torn = true;
    File::options()
        .append(true)
        .open(&path)
        .unwrap()
        .write_all(b"hal")
        .unwrap();
    log.write(b"next\nand\n");
    log.write(b"last\n");
    assert_eq!(text(&path), "whole\nhal\nnext\nand\nlast\n");
}
