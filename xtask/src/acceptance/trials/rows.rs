//! The rows of the table, in the order of their numbers.

use super::Trial;

pub(super) const TRIALS: &[Trial] = &[
    Trial {
        number: 1,
        tried: "a disk without a free byte: long paths asked for, a process of each kind killed, room made again; 900 MB of paths in a \
                log; an app that prints 200 MB at once",
        before: "after one killed node the whole site is gone within 2 s, coordinator included, and stays so with room; `status` said \
                 all was well; 900 MB are written in 9 s",
        after: "nothing ends, each kind begins on the full disk, `status` names it, all is whole within 5 s of room. A line of the access \
                log has less than 2 KB, a role writes 8 MB/s, a log 128 MB in total; what is dropped is counted in it",
        tests: &[
            "terrace/stories full_disk::nothing_ends_on_a_full_disk_and_room_is_enough_to_be_whole_again",
            "terrace/stories full_disk::a_site_begins_on_a_full_disk_as_far_as_it_can_and_is_whole_with_room",
            "terrace-service/lib log::tests::a_pipe_that_nobody_reads_holds_up_nobody",
            "terrace-service/lib log::tests::what_takes_nothing_is_counted",
            "terrace-http/lib log::tests::a_visitor_with_long_paths_fills_no_disk",
            "terrace-node/lib logs::tests::a_program_that_prints_without_end_neither_fills_the_disk_nor_waits",
        ],
    },
    Trial {
        number: 7,
        tried: "600 idle connections to the front door of a coordinator with 1,024 descriptors; a web server and a balancer \
                that can open nothing more",
        before: "newcomers are reset; \"foobar does not take requests\", and the app counts as out",
        after: "368 connections at most, the longest idle one makes room: a newcomer has its page, `status` and `exec` answer. \
                503 names what is missing, nobody is blamed, `status`, the log and a counter say so",
        tests: &[
            "terrace/stories door::a_crowd_at_the_door_leaves_commands_and_newcomers_alone",
            "terrace/stories lacks::a_role_without_descriptors_says_so_and_blames_nobody",
            "terrace-lab/lib front_door::tests::a_crowd_takes_no_more_than_its_places_and_the_longest_idle_makes_room",
            "terrace-service/lib lack::tests::what_is_missing_here_is_told_apart_from_what_is_wrong_there",
        ],
    },
    Trial {
        number: 10,
        tried: "the primary's disk is full; then `switchover`, `failover` without accepted loss, and room again; both flavours",
        before: "`status`: all is well, while writes hang; `failover` is refused: \"it answers and takes writes\"",
        after: "`status`, controller and refusal (primary-disk-full) say so; `failover` takes 0.1 to 0.2 s and loses nothing acknowledged; \
                with room the old primary follows by itself",
        tests: &[
            "terrace/stories full_disk::a_primary_whose_disk_is_full_is_told_as_that_and_replaced_without_loss",
            "terrace-database/mariadb replication::full_disk::a_primary_whose_disk_is_full_says_so_and_is_replaced_with_all_that_was_acknowledged",
            "terrace-database/lib failover::change::tests::a_primary_whose_disk_is_full_is_replaced_without_loss_and_said_to_be_full",
        ],
    },
    Trial {
        number: 15,
        tried: "`curl http://127.0.0.1:8080/`, `curl http://localhost:8080/`, and the same over ::1",
        before: "421; nobody listens at ::1",
        after: "200; 421 stays for the site's own addresses and for other names",
        tests: &[
            "terrace/stories door::the_door_answers_to_the_names_that_a_newcomer_types",
            "terrace-web/raw passing::the_front_doors_own_names_mean_the_site_and_addresses_do_not",
            "terrace-lab/lib front_door::tests::the_door_is_at_both_addresses_of_this_machine",
        ],
    },
    Trial {
        number: 23,
        tried: "`make test` while another rehearsal of the same site is up on the machine",
        before: "6 of 37 stories fail",
        after: "0 of 38 fail, and the other site is as it was",
        tests: &[
            "terrace/stories neighbour::another_site_on_this_machine_neither_disturbs_ours_nor_is_disturbed",
            "terrace-lab/lib location::tests::the_run_directory_can_be_named_and_else_follows_from_the_user",
        ],
    },
];
