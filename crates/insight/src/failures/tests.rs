#![allow(
    clippy::unwrap_used,
    reason = "a test says what went wrong by panicking"
)]

use super::*;

const BACK: fn(&str) -> Fate = |server| Fate::FailsUntilOperator(Act::BringBack(server.into()));

fn design(inside: &str) -> Design {
    let loaded = terrace_site::load(&format!("site \"www.foobar.com\" {{\n{inside}\n}}"));
    let site = loaded.site;
    Design::of(&site.unwrap_or_else(|| panic!("{:?}", loaded.problems)))
}

/// Two servers of the same kind behind a balancer, with `database` as given.
fn pair(database: &str) -> Design {
    design(&format!(
        "server lb \"10.0.0.1\"\nserver a \"10.0.0.2\"\nserver b \"10.0.0.3\"\nload-balancer lb\n\
         web a b static=\"p\"\napp a b code=\"x\" {{ run \"x\"; }}\n{database}"
    ))
}

fn fate(design: &Design, fault: Fault, function: Function) -> Fate {
    predict(design, fault).fate(function).unwrap().clone()
}

#[test]
fn a_site_without_an_app_has_files_alone() {
    let design = design("server a \"10.0.0.1\"\nweb a static=\"p\"");
    assert_eq!(Function::of(&design), [Function::Files]);
    let lost = fate(&design, Fault::PowerOff("a".into()), Function::Files);
    assert_eq!(lost, BACK("a"));
    assert_eq!(
        predict(&design, Fault::Crash("a".into())).fate(Function::Reads),
        None
    );
}

#[test]
fn how_a_write_is_acknowledged_decides_what_the_last_replica_takes_along() {
    let lost = |database: &str, fault: fn(String) -> Fault| {
        // On servers of their own, so that no web server fails along.
        let inside = format!(
            "server a \"10.0.0.2\"\nserver d \"10.0.0.3\"\nserver e \"10.0.0.4\"\nweb a static=\"p\"\n\
             app a code=\"x\" {{ run \"x\"; }}\n{database}"
        );
        fate(&design(&inside), fault("e".into()), Function::Writes)
    };
    assert_eq!(
        lost("database d e", Fault::PowerOff),
        Fate::Delayed(Recovery::Alone)
    );
    assert_eq!(lost("database d e ack=always", Fault::PowerOff), BACK("e"));
    assert_eq!(
        lost("database d e ack=none", Fault::PowerOff),
        Fate::Unaffected
    );
    assert_eq!(
        lost("database d e", Fault::Crash),
        Fate::Delayed(Recovery::Return)
    );
}

#[test]
fn a_failover_is_an_operators_word_unless_a_majority_decides() {
    let lost = |design: &Design| fate(design, Fault::PowerOff("a".into()), Function::Writes);
    let failover = Fate::FailsUntilOperator(Act::Failover("b".into()));
    assert_eq!(lost(&pair("database a b")), failover);
    assert_eq!(
        lost(&pair("database a b\nquorum a b lb")),
        Fate::FailsUntilRecovered(Recovery::Failover)
    );
    // One voice that is lost is no majority.
    assert_eq!(lost(&pair("database a b\nquorum a")), BACK("a"));
}

#[test]
fn the_record_of_who_is_primary_must_not_be_lost_with_the_primary() {
    let lost = |more: &str| {
        let inside = format!(
            "server a \"10.0.0.2\"\nserver b \"10.0.0.3\"\n{more}web b static=\"p\"\n\
             app b code=\"x\" {{ run \"x\"; }}\ndatabase a b"
        );
        fate(
            &design(&inside),
            Fault::PowerOff("a".into()),
            Function::Writes,
        )
    };
    assert_eq!(lost(""), BACK("a"));
    assert_eq!(
        lost("server c \"10.0.0.4\"\n"),
        Fate::FailsUntilOperator(Act::Failover("b".into()))
    );
}

#[test]
fn without_a_balancer_nobody_else_answers_at_an_address() {
    let design = design("server a \"10.0.0.2\"\nserver b \"10.0.0.3\"\nweb a b static=\"p\"");
    assert_eq!(single_points(&design), ["a", "b"]);
}

#[test]
fn reads_of_the_primary_alone_are_lost_with_it() {
    let lost = |database: &str| {
        let design = pair(database);
        fate(&design, Fault::PowerOff("a".into()), Function::Reads)
    };
    assert_eq!(lost("database a b"), Fate::Delayed(Recovery::Others));
    assert_eq!(
        lost("database a b reads=primary"),
        Fate::FailsUntilOperator(Act::Failover("b".into()))
    );
}

/// What is predicted of one server holds whatever its neighbours are called.
#[test]
fn a_second_app_of_another_name_is_no_stand_in() {
    let design = design(
        "server lb \"10.0.0.1\"\nserver a \"10.0.0.2\"\nserver b \"10.0.0.3\"\nload-balancer lb\nweb a b static=\"p\"\n\
         app a code=\"x\" { run \"x\"; }\napp b code=\"y\" path=\"/y\" { run \"y\"; }",
    );
    let lost = fate(&design, Fault::PowerOff("a".into()), Function::Pages);
    assert_eq!(lost, BACK("a"));
}

#[test]
fn every_fault_of_a_server_is_at_least_as_bad_as_its_crash() {
    let rank = |fate: &Fate| match fate {
        Fate::Unaffected => 0,
        Fate::Delayed(_) => 1,
        Fate::FailsUntilRecovered(_) => 2,
        Fate::FailsUntilOperator(_) => 3,
    };
    for database in [
        "",
        "database a",
        "database a b",
        "database a b\nquorum a b lb",
    ] {
        let design = pair(database);
        for server in ["lb", "a", "b"] {
            let crash = predict(&design, Fault::Crash(server.into()));
            for kind in [Fault::PowerOff, Fault::Partition, Fault::Freeze] {
                let other = predict(&design, kind(server.into()));
                for (one, two) in crash.outlooks.iter().zip(&other.outlooks) {
                    let holds = rank(&one.fate) <= rank(&two.fate);
                    assert!(holds, "{} {:?}", other.fault, two.function);
                }
            }
        }
    }
}

#[test]
fn a_database_that_dies_is_waited_for_as_long_as_its_router_waits() {
    let alone = design(
        "server a \"10.0.0.2\"\nweb a static=\"p\"\napp a code=\"x\" { run \"x\"; }\ndatabase a",
    );
    let killed = Fault::Kill("a/database".into());
    for function in [Function::Reads, Function::Writes] {
        let prediction = predict(&alone, killed.clone());
        let of = |one: &&Outlook| one.function == function;
        let outlook = prediction.outlooks.iter().find(of).unwrap();
        assert_eq!(outlook.fate, Fate::Delayed(Recovery::DatabaseRestart));
        assert_eq!(outlook.within, Some(times::DATABASE_AWAY));
    }
    let again = Fault::Loop("a/database".into());
    let mended = Fate::FailsUntilOperator(Act::Mend("a/database".into()));
    assert_eq!(fate(&alone, again.clone(), Function::Reads), mended);
    assert_eq!(
        fate(&alone, again.clone(), Function::Pages),
        Fate::Unaffected
    );
    let two = pair("database a b");
    assert_eq!(fate(&two, again, Function::Reads), Fate::Unaffected);
}

#[test]
fn what_takes_longest_on_the_way_bounds_it() {
    // Whoever writes waits for its server to be found silent, and for the primary to go on without its replica.
    let prediction = predict(&pair("database a b"), Fault::PowerOff("b".into()));
    let writes = prediction.outlooks.last().unwrap();
    assert_eq!(writes.fate, Fate::Delayed(Recovery::Alone));
    assert!(writes.within > Some(times::SILENT + times::ALONE_AFTER));
    // What was sent to one that only stands still must not be sent again.
    let frozen = predict(&pair("database a b"), Fault::Freeze("b".into()));
    let writes = frozen.outlooks.last().unwrap();
    assert_eq!(writes.fate, Fate::FailsUntilRecovered(Recovery::Others));
    // Nobody knows how long a person takes.
    let prediction = predict(&pair("database a b"), Fault::PowerOff("a".into()));
    assert_eq!(prediction.outlooks.last().unwrap().within, None);
}

#[test]
fn an_app_that_stands_still_on_a_server_of_its_own_is_not_told_from_a_busy_one() {
    let of_apps = design(
        "server lb \"10.0.0.1\"\nserver a \"10.0.0.2\"\nserver b \"10.0.0.3\"\nload-balancer lb\n\
         app a b code=\"x\" { run \"x\"; }",
    );
    let pages = |fault| fate(&of_apps, fault, Function::Pages);
    let fails = Fate::FailsUntilRecovered(Recovery::TimeOut);
    assert_eq!(pages(Fault::Freeze("a".into())), fails);
    let waits = Fate::Delayed(Recovery::Others);
    assert_eq!(pages(Fault::PowerOff("a".into())), waits);
    let of_both = fate(&pair(""), Fault::Freeze("a".into()), Function::Pages);
    assert_eq!(of_both, waits);
}

#[test]
fn what_must_not_be_asked_twice_ends_with_the_silence_or_with_its_time() {
    let writes = |web: &str, app: &str| {
        let design = design(&format!(
            "server lb \"10.0.0.1\"\nserver a \"10.0.0.2\"\nserver b \"10.0.0.3\"\nload-balancer lb\n\
             web a b static=\"p\" {{ {web} }}\napp a b code=\"x\" {{ run \"x\"; {app} }}\ndatabase a"
        ));
        let prediction = predict(&design, Fault::Freeze("b".into()));
        let outlook = prediction.outlooks.last().unwrap().clone();
        (outlook.fate, outlook.within.unwrap())
    };
    let until = Fate::FailsUntilRecovered;
    let second = Duration::from_secs(1);
    // Two checks a second apart, and one second for the last.
    let noticed = 3 * second;
    assert_eq!(writes("", ""), (until(Recovery::Others), noticed));
    // That path may be the app's to answer, and an app may be busy.
    let path = "health \"/health\"";
    let timed_out = until(Recovery::TimeOut);
    assert_eq!(writes(path, ""), (timed_out.clone(), noticed + 30 * second));
    let short = "timeouts first-byte=\"5s\"";
    assert_eq!(writes(path, short), (timed_out, noticed + 5 * second));
}
