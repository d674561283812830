//! A disk that takes what is written and does not say so, as a file server that has gone away: whatever waits for it is the
//! log's own thread.

use std::fs::File;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};

use super::harness::Web;
use super::upstream::{Reply, Upstream};
use super::visitor::wait_for;

/// One file of a file system in user space (FUSE), which is this test. When the test ends, so does whatever waits for it.
struct Disk {
    path: PathBuf,
    device: File,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    answers: bool,
    /// Requests to write that were not answered yet, and for how many bytes.
    waiting: Vec<(u64, u32)>,
    written: Vec<u8>,
}

/// What the kernel asks (linux/fuse.h).
mod ask {
    pub const FORGET: u32 = 2;
    pub const GETATTR: u32 = 3;
    pub const OPEN: u32 = 14;
    pub const WRITE: u32 = 16;
    pub const STATFS: u32 = 17;
    pub const RELEASE: u32 = 18;
    pub const FLUSH: u32 = 25;
    pub const INIT: u32 = 26;
    pub const INTERRUPT: u32 = 36;
}

impl Disk {
    /// In the place of this file; `None`: nothing can be mounted here.
    fn at(path: &Path) -> Option<Self> {
        File::create(path).unwrap();
        let device = File::options()
            .read(true)
            .write(true)
            .open("/dev/fuse")
            .ok()?;
        let options = format!(
            "fd={},rootmode=100644,user_id=0,group_id=0",
            device.as_raw_fd()
        );
        let options = std::ffi::CString::new(options).unwrap();
        let flags = MountFlags::NODEV | MountFlags::NOSUID;
        mount("terrace-test", path, "fuse", flags, &*options).ok()?;
        let disk = Self {
            path: path.to_owned(),
            device,
            state: Arc::default(),
        };
        let (device, state) = (disk.device.try_clone().unwrap(), Arc::clone(&disk.state));
        std::thread::spawn(move || serve(&device, &state));
        Some(disk)
    }

    fn is_waited_for(&self) -> bool {
        !self.state.lock().unwrap().waiting.is_empty()
    }

    fn written(&self) -> String {
        String::from_utf8(self.state.lock().unwrap().written.clone()).unwrap()
    }

    /// From now on it says what it has taken.
    fn answer(&self) {
        let mut state = self.state.lock().unwrap();
        state.answers = true;
        for (unique, length) in std::mem::take(&mut state.waiting) {
            reply(&self.device, unique, 0, &words(&[length, 0]));
        }
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        self.answer();
        let _ = unmount(&*self.path, UnmountFlags::DETACH);
    }
}

fn serve(mut device: &File, state: &Mutex<State>) {
    let mut request = vec![0; 256 << 10];
    // It ends when the disk is unmounted.
    while let Ok(length) = device.read(&mut request) {
        let number = |at: usize| u32::from_ne_bytes(request[at..at + 4].try_into().unwrap());
        let unique = u64::from_ne_bytes(request[8..16].try_into().unwrap());
        match number(4) {
            ask::INIT => {
                // Version 7.31, 64 KB at once.
                let mut answer = words(&[7, 31, 0, 0, 0, 64 << 10]);
                answer.resize(64, 0);
                reply(device, unique, 0, &answer);
            }
            ask::GETATTR => reply(device, unique, 0, &attributes()),
            // Nothing is kept in memory: each write is asked for at once, and nothing when the file is closed.
            ask::OPEN => reply(device, unique, 0, &words(&[0, 0, 1 | 32, 0])),
            ask::STATFS => reply(device, unique, 0, &[0; 80]),
            ask::WRITE => {
                let size = number(40 + 16);
                let mut state = state.lock().unwrap();
                state.written.extend_from_slice(&request[80..length]);
                if state.answers {
                    reply(device, unique, 0, &words(&[size, 0]));
                } else {
                    state.waiting.push((unique, size));
                }
            }
            ask::FLUSH | ask::RELEASE => reply(device, unique, 0, &[]),
            ask::FORGET | ask::INTERRUPT => {}
            // ENOSYS
            _ => reply(device, unique, -38, &[]),
        }
    }
}

fn words(numbers: &[u32]) -> Vec<u8> {
    numbers.iter().flat_map(|one| one.to_ne_bytes()).collect()
}

/// Of an empty file that anybody may write.
fn attributes() -> Vec<u8> {
    let mut answer = vec![0; 104];
    let mode = 0o100_666_u32;
    answer[16..24].copy_from_slice(&1_u64.to_ne_bytes());
    answer[76..80].copy_from_slice(&mode.to_ne_bytes());
    answer[80..84].copy_from_slice(&1_u32.to_ne_bytes());
    answer
}

fn reply(mut device: &File, unique: u64, error: i32, answer: &[u8]) {
    let length = u32::try_from(16 + answer.len()).unwrap();
    let mut bytes = words(&[length]);
    bytes.extend_from_slice(&error.to_ne_bytes());
    bytes.extend_from_slice(&unique.to_ne_bytes());
    bytes.extend_from_slice(answer);
    // Who asked may be gone.
    let _ = device.write_all(&bytes);
}

#[test]
fn a_log_whose_disk_does_not_answer_holds_up_no_request() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("access");
    let upstream = Upstream::start(|_, _| Reply::ok("hello"));
    let Some(disk) = Disk::at(&path) else {
        eprintln!("skipped: nothing can be mounted here");
        return;
    };
    let access = File::options().append(true).open(&path).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let web = Web::logging(access, listener, upstream.address);
    // It is answered first of all that happens, so that a worker which waits is let go.
    let disk = disk;
    let asks = |number: u32| {
        let request = format!("GET /{number} HTTP/1.1\r\nHost: a.example\r\n\r\n");
        assert_eq!(web.ask(&request).status, 200);
    };
    asks(0);
    wait_for("a write that is not answered", || {
        disk.is_waited_for().then_some(())
    });
    // Longer than a batch, so that a worker has to hand it over.
    (1..=400).for_each(asks);
    disk.answer();
    wait_for("the rest of the log", || {
        disk.written().contains(" /400 ").then_some(())
    });
    let log = disk.written();
    let whole = (0..=400).all(|number| log.matches(&format!(" /{number} ")).count() == 1);
    assert!(whole, "each line once: {log}");
}
