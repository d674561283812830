//! A disk without room: whatever runs goes on, what is killed meanwhile comes back, and room made again is enough.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, unshare};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::harness::{self, Site, both, wait_until};

/// A file system of its own in a place of this story alone. It goes with the story's thread.
pub(crate) struct SmallDisk(PathBuf);

impl SmallDisk {
    /// Mounts one; what was there is not seen meanwhile. `kept`: a directory of it that is.
    pub(crate) fn at(place: &Path, megabytes: u32, kept: Option<&str>) -> Self {
        Self::with(place, &format!("size={megabytes}m,mode=755"), kept)
    }

    /// The same, by what a tmpfs is told.
    pub(crate) fn with(place: &Path, options: &str, kept: Option<&str>) -> Self {
        let nothing = None::<&str>;
        fs::create_dir_all(place).unwrap();
        // Nobody but this thread and what it starts sees the mounts.
        unshare(CloneFlags::CLONE_NEWNS).unwrap();
        mount(
            nothing,
            "/",
            nothing,
            MsFlags::MS_REC | MsFlags::MS_PRIVATE,
            nothing,
        )
        .unwrap();
        let before = File::open(place).unwrap();
        mount(
            Some("terrace-test"),
            place,
            Some("tmpfs"),
            MsFlags::empty(),
            Some(options),
        )
        .unwrap();
        if let Some(kept) = kept {
            let from = format!(
                "/proc/self/fd/{}/{kept}",
                std::os::fd::AsRawFd::as_raw_fd(&before)
            );
            let to = place.join(kept);
            if Path::new(&from).is_dir() {
                fs::create_dir_all(&to).unwrap();
                mount(Some(&*from), &to, nothing, MsFlags::MS_BIND, nothing).unwrap();
            }
        }
        Self(place.to_owned())
    }

    /// Leaves not a byte.
    pub(crate) fn fill(&self) {
        let mut file = File::options()
            .append(true)
            .create(true)
            .open(self.ballast())
            .unwrap();
        for length in [1 << 20, 1 << 12, 1] {
            while file.write_all(&vec![0; length]).is_ok() {}
        }
    }

    pub(crate) fn make_room(&self) {
        fs::remove_file(self.ballast()).unwrap();
    }

    /// Leaves room for bytes, and for not a single file more.
    pub(crate) fn crowd(&self) {
        fs::create_dir(self.crowded()).unwrap();
        let files = (0..).map(|number| self.crowded().join(format!("{number}")));
        files.take_while(|file| File::create(file).is_ok()).count();
    }

    pub(crate) fn crowded(&self) -> PathBuf {
        self.0.join("crowd")
    }

    fn ballast(&self) -> PathBuf {
        self.0.join("ballast")
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = umount2(&self.0, MntFlags::MNT_DETACH);
    }
}

/// A visit that must succeed.
pub(crate) fn visit(site: &Site, path: &str) {
    let url = format!("http://www.foobar.com{path}");
    site.on(
        "internet",
        &["curl", "-sf", "-o", "/dev/null", "--max-time", "10", &url],
    );
}

/// What a process of each kind runs as, by server and by a word of its arguments.
const KINDS: [(&str, &str); 6] = [
    ("lb-01", " internal node"),
    ("lb-01", " internal role load-balancer"),
    ("web-01", " internal role web"),
    ("web-01", " internal role router"),
    ("web-01", " internal role agent"),
    ("web-01", " internal node"),
];

/// Kills a process of each kind, and the whole of a host: all of them begin on the full disk.
fn are_born_again(site: &Site, before: &[u32]) {
    for (victim, kind) in before.iter().zip(KINDS).skip(1) {
        kill(Pid::from_raw(victim.cast_signed()), Signal::SIGKILL).unwrap();
        wait_until(&format!("{kind:?} is there again"), || {
            site.found(kind.0, kind.1).is_some_and(|pid| pid != *victim)
        });
    }
    let keeper = site.keeper("lb-01");
    kill(Pid::from_raw(keeper.cast_signed()), Signal::SIGKILL).unwrap();
    wait_until("a host is made anew", || {
        site.found_keeper("lb-01").is_some_and(|pid| pid != keeper)
    });
    wait_until("files are served as before", || {
        let url = "http://www.foobar.com/style.css";
        let asked = [
            "exec",
            "internet",
            "--",
            "curl",
            "-sf",
            "--max-time",
            "2",
            "-o",
            "/dev/null",
            url,
        ];
        site.terrace(&asked).status.success()
    });
}

#[test]
fn nothing_ends_on_a_full_disk_and_room_is_enough_to_be_whole_again() {
    if !harness::is_root() {
        return;
    }
    let site = Site::stage1();
    let place = site.directory.join("stacks/.terrace");
    let disk = SmallDisk::at(&place, 768, Some("www.foobar.com/releases"));
    // It comes down before its disk goes.
    let site = site;
    site.up();
    let pids = || -> Vec<u32> {
        let each = KINDS.iter().map(|(server, word)| site.beside(server, word));
        each.chain([site.keeper("lb-01"), site.keeper("web-01")])
            .collect()
    };
    let before = pids();
    disk.fill();
    wait_until("status names the disk", || {
        let said = both(&site.terrace(&["status"]));
        said.starts_with("www.foobar.com  no room on the disk of ")
            && said.contains("make room: df ")
    });
    wait_until("it is a fact for programs, too", || {
        let servers = site.servers();
        servers
            .iter()
            .all(|server| server["report"]["disk"]["level"] == "full")
    });
    // Everything has something to say: what was refused, what a balancer retried, what was asked for at length.
    let long = format!("/{}", "x".repeat(4_000));
    for _ in 0..20 {
        let url = format!("http://www.foobar.com{long}");
        site.terrace(&[
            "exec",
            "internet",
            "--",
            "curl",
            "-s",
            "-o",
            "/dev/null",
            &url,
        ]);
        site.terrace(&["drain", "web-02"]);
        site.terrace(&["undrain", "web-02"]);
    }
    visit(&site, "/style.css");
    assert_eq!(pids(), before, "nothing has ended");

    are_born_again(&site, &before);

    disk.make_room();
    let begun = Instant::now();
    wait_until("everything is well", || {
        site.terrace(&["status"]).status.success()
    });
    let took = begun.elapsed();
    visit(&site, "/");
    assert!(took < Duration::from_secs(5), "it took {took:?}");
    let log = fs::read_to_string(site.state().join("servers/lb-01/logs/access.log")).unwrap();
    assert!(
        log.contains("# lines dropped: ") && log.lines().all(|line| line.len() < 2_048),
        "{log}"
    );
}

#[test]
fn a_site_begins_on_a_full_disk_as_far_as_it_can_and_is_whole_with_room() {
    if !harness::is_root() {
        return;
    }
    let site = Site::with_file("full", FILES);
    let disk = SmallDisk::at(&site.directory.join("stacks/.terrace"), 8, None);
    let site = site;
    disk.fill();
    site.up();
    visit(&site, "/style.css");
    assert!(!site.terrace(&["status"]).status.success());
    assert!(!site.state().join("site.json").exists());
    disk.make_room();
    let begun = Instant::now();
    wait_until("everything is well, and kept", || {
        let well = site.terrace(&["status"]).status.success();
        well && ["site.json", "plans/web-01.json", "servers/web-01/plan.json"]
            .iter()
            .all(|name| site.state().join(name).exists())
    });
    let took = begun.elapsed();
    assert!(took < Duration::from_secs(5), "it took {took:?}");
    visit(&site, "/style.css");
}

/// Files alone.
pub(crate) const FILES: &str = r#"site "www.foobar.com" {
    server web-01 "10.0.0.21" { public "8.8.8.8"; }
    web web-01 static="foobar/public"
}
"#;

/// What its controller says of the databases.
fn controller(site: &Site) -> String {
    let role = site
        .roles()
        .into_iter()
        .find(|role| role["role"] == "controller");
    role.map_or_else(String::new, |role| {
        role["reason"].as_str().unwrap_or_default().to_owned()
    })
}

/// A message that a visitor leaves; true: it was taken within two seconds.
fn leaves(site: &Site, message: &str) -> bool {
    let field = format!("name=visitor&message={message}");
    let url = "http://www.foobar.com/";
    let posted = [
        "curl",
        "-sf",
        "--max-time",
        "2",
        "-o",
        "/dev/null",
        "-d",
        &field,
        url,
    ];
    let asked = [&["exec", "internet", "--"][..], &posted].concat();
    site.terrace(&asked).status.success()
}

#[test]
fn a_primary_whose_disk_is_full_is_told_as_that_and_replaced_without_loss() {
    if !harness::is_root() {
        return;
    }
    let site = Site::stage1();
    let disk = SmallDisk::at(&site.state().join("servers/web-01"), 384, None);
    let site = site;
    site.up();
    wait_until("the replica vouches", || {
        controller(&site).contains("is on web-02 too")
    });
    wait_until("a message is taken", || leaves(&site, "acknowledged"));
    disk.fill();
    wait_until("status names the disk", || {
        let said = both(&site.terrace(&["status"]));
        said.starts_with("www.foobar.com  no room on the disk of web-01")
            && said.contains("its disk is full: make room")
    });
    wait_until("the controller knows what helps", || {
        let said = controller(&site);
        said.contains("the disk of web-01 is full") && said.contains("`terrace failover web-02`")
    });
    let refused = both(&site.terrace(&["switchover", "web-02"]));
    assert!(
        refused.contains("the disk of web-01 is full") && refused.contains("(primary-disk-full)"),
        "{refused}"
    );

    let begun = Instant::now();
    site.does(&["failover", "web-02"]);
    eprintln!(
        "a primary with a full disk was replaced after {:?}",
        begun.elapsed()
    );
    wait_until("a message is taken by the new primary", || {
        leaves(&site, "afterwards")
    });
    let page = site.on("internet", &["curl", "-sf", "http://www.foobar.com/"]);
    assert!(
        page.contains("acknowledged") && page.contains("afterwards"),
        "{page}"
    );

    disk.make_room();
    wait_until("the old primary follows, and vouches", || {
        controller(&site).contains("web-02 takes writes")
            && controller(&site).contains("is on web-01 too")
    });
    wait_until("everything is well", || {
        site.terrace(&["status"]).status.success()
    });
}

#[test]
fn a_database_that_waited_for_room_takes_writes_as_soon_as_there_is_some() {
    if !harness::is_root() {
        return;
    }
    let site = Site::stage0();
    let disk = SmallDisk::at(&site.state().join("servers/web-01"), 384, None);
    let site = site;
    site.up();
    wait_until("a message is taken", || leaves(&site, "acknowledged"));
    disk.fill();
    wait_until("status says what the database waits for", || {
        both(&site.terrace(&["status"])).contains("its disk is full: make room")
    });
    // The last page of a file has room for a few.
    wait_until("a message is not taken", || {
        !leaves(&site, "into the last bytes")
    });
    disk.make_room();
    let begun = Instant::now();
    wait_until("a message is taken again", || leaves(&site, "afterwards"));
    let took = begun.elapsed();
    // Left alone it would be a minute.
    assert!(took < Duration::from_secs(15), "it took {took:?}");
    wait_until("everything is well", || {
        site.terrace(&["status"]).status.success()
    });
    let page = site.on("internet", &["curl", "-sf", "http://www.foobar.com/"]);
    assert!(
        page.contains("acknowledged") && page.contains("afterwards"),
        "{page}"
    );
}
