//! Other limits than bytes: a disk that can hold no more files, and a limit on how long a file may be.

use std::fs;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::full_disk::{FILES, SmallDisk, visit};
use crate::harness::{self, Site, both, finish, wait_until};

#[test]
fn a_disk_that_can_hold_no_more_files_ends_nothing_and_is_named() {
    if !harness::is_root() {
        return;
    }
    let site = Site::with_file("inodes", FILES);
    let place = site.directory.join("stacks/.terrace");
    let disk = SmallDisk::with(&place, "size=64m,nr_inodes=2000,mode=755", None);
    // It comes down before its disk goes.
    let site = site;
    site.up();
    let (node, web) = ("internal node", "internal role web");
    let before = [node, web].map(|word| site.beside("web-01", word));
    disk.crowd();
    wait_until("status names the disk, and what it lacks", || {
        let said = both(&site.terrace(&["status"]));
        said.starts_with("www.foobar.com  no room on the disk of web-01")
            && said.contains("the disk holds as many files as it can: ")
            && said.contains("make room: df -i ")
    });
    visit(&site, "/style.css");
    assert_eq!([node, web].map(|word| site.beside("web-01", word)), before);
    // What dies meanwhile comes back.
    for (victim, word) in before.into_iter().zip([node, web]) {
        kill(Pid::from_raw(victim.cast_signed()), Signal::SIGKILL).unwrap();
        wait_until(&format!("{word} is there again"), || {
            site.found("web-01", word).is_some_and(|pid| pid != victim)
        });
    }
    visit(&site, "/style.css");
    fs::remove_dir_all(disk.crowded()).unwrap();
    let begun = Instant::now();
    wait_until("everything is well", || {
        site.terrace(&["status"]).status.success()
    });
    let took = begun.elapsed();
    assert!(took < Duration::from_secs(5), "it took {took:?}");
}

#[test]
fn a_limit_on_the_length_of_files_ends_nothing() {
    if !harness::is_root() {
        return;
    }
    let site = Site::with_file("limit", FILES);
    // 4 KB: plans are longer, and a log soon is.
    let limited = "ulimit -S -f 8 && exec \"$0\" \"$@\"";
    let mut up = site.program();
    let binary = up.get_program().to_owned();
    let environment: Vec<_> = up
        .get_envs()
        .filter_map(|(name, value)| Some((name.to_owned(), value?.to_owned())))
        .collect();
    up = std::process::Command::new("sh");
    up.envs(environment).args(["-c", limited]).arg(binary);
    up.args(["up", "--detach"]).arg(&site.file);
    let up = finish(up);
    assert!(up.status.success(), "{}", both(&up));
    let coordinator = site.process(&["internal", "coordinator"]);
    let words = ["internal node", "internal role web"];
    let pids = || -> Vec<u32> {
        let each = words.iter().map(|word| site.beside("web-01", word));
        each.chain([site.keeper("web-01")])
            .chain(coordinator)
            .collect()
    };
    let before = pids();
    let log = site.state().join("servers/web-01/logs/access.log");
    let long = format!("/style.css?{}", "x".repeat(900));
    wait_until("the log is as long as it can be", || {
        visit(&site, &long);
        fs::metadata(&log).unwrap().len() == 4096
    });
    visit(&site, &long);
    assert_eq!(pids(), before, "nothing has ended");
    assert!(site.terrace(&["status"]).status.success());
    // Another file has room again, and says what was left out.
    fs::remove_file(&log).unwrap();
    wait_until("what was left out is counted", || {
        visit(&site, "/style.css");
        let log = fs::read_to_string(&log).unwrap_or_default();
        log.contains("# lines dropped: ") && log.contains("(file too large)")
    });
    assert_eq!(pids(), before, "nothing has ended");
}
