use std::io::Write;
use std::path::Path;
use std::time::Instant;

use terrace_service::log::OUTPUT;

use super::*;

/// As [`Outputs::keep`], without a keeper.
fn output(directory: &Path) -> (Outputs, std::fs::File) {
    let outputs = Outputs::begin("web-01", directory.to_owned()).unwrap();
    let (read, write) = pipe(Writer::Foreign).unwrap();
    outputs.attend("web-01/app/1", read);
    (outputs, write.into())
}

fn total(directory: &Path) -> u64 {
    let files = std::fs::read_dir(directory).unwrap();
    files
        .map(|file| file.unwrap().metadata().unwrap().len())
        .sum()
}

fn until(what: &str, mut reached: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !reached() {
        assert!(
            begun.elapsed() < Duration::from_secs(20),
            "not reached: {what}"
        );
        std::thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn what_a_program_said_last_is_known_at_once_and_written_soon() {
    let directory = tempfile::tempdir().unwrap();
    let (outputs, mut program) = output(directory.path());
    let path = directory.path().join("app.1.log");
    until("it is there", || path.exists());
    program.write_all(b"one\n").unwrap();
    let mark = outputs.mark("web-01/app/1");
    program.write_all(b"two\nthree").unwrap();
    assert_eq!(outputs.since("web-01/app/1", mark), "two\nthree");
    until("it is written", || {
        std::fs::read_to_string(&path).is_ok_and(|text| text == "one\ntwo\nthree")
    });
}

#[test]
fn a_program_that_prints_without_end_neither_fills_the_disk_nor_waits() {
    let directory = tempfile::tempdir().unwrap();
    let (outputs, mut program) = output(directory.path());
    let line = [&[b'x'; 4095][..], b"\n"].concat();
    let begun = Instant::now();
    // 200 MB, and then a line without an end.
    for _ in 0..50_000 {
        program.write_all(&line).unwrap();
    }
    program.write_all(&[b'y'; 1 << 20]).unwrap();
    program.write_all(b"\nlast\n").unwrap();
    assert!(outputs.since("web-01/app/1", 0).ends_with("y\nlast\n"));
    let seconds = begun.elapsed().as_secs() + 5;
    let bound = OUTPUT.rate * seconds;
    assert!(
        total(directory.path()) <= bound,
        "{} of {bound}",
        total(directory.path())
    );
    let path = directory.path().join("app.1.log");
    until("what was dropped is counted", || {
        std::fs::read_to_string(&path).is_ok_and(|text| text.contains("# lines dropped: "))
    });
}

#[test]
fn a_log_whose_disk_does_not_answer_holds_up_no_program() {
    let directory = tempfile::tempdir().unwrap();
    // A pipe in the log's place, which nobody reads.
    let path = directory.path().join("app.1.log");
    rustix::fs::mknodat(
        rustix::fs::CWD,
        &path,
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR,
        0,
    )
    .unwrap();
    let (outputs, mut program) = output(directory.path());
    for _ in 0..10_000 {
        program.write_all(&[b'x'; 1_000]).unwrap();
    }
    program.write_all(b"\nlast\n").unwrap();
    assert!(outputs.since("web-01/app/1", 0).ends_with("last\n"));
}
