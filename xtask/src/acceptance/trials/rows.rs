//! The rows of the table, in the order of their numbers.

use super::Trial;

pub(super) const TRIALS: &[Trial] = &[
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
