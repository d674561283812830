//! The rows of the table, in the order of their numbers.

use super::Trial;

pub(super) const TRIALS: &[Trial] = &[
    Trial {
        number: 1,
        tried: "a disk without a free byte or inode: long paths asked for, a process of each kind killed, room made again; a log's disk that \
                does not answer; `ulimit -f`; 900 MB of paths; an app that prints 200 MB; coordinators and commands that do not listen",
        before: "after one killed node the whole site is gone within 2 s, coordinator included, and stays so with room; `status` said \
                 all was well; 900 MB are written in 9 s. A write that hangs holds all visitors, SIGXFSZ ends everything, a silent peer \
                 holds node and coordinator",
        after: "nothing ends, each kind begins on the full disk, `status` names it, all is whole within 5 s of room. A line of the access \
                log has less than 2 KB, a role writes 8 MB/s, a log 128 MB in total; what is dropped is counted in it. 401 of 401 are answered \
                while the log's disk is silent; 1,024 messages wait for a silent peer, then it is hung up on",
        tests: &[
            "terrace/stories full_disk::nothing_ends_on_a_full_disk_and_room_is_enough_to_be_whole_again",
            "terrace/stories full_disk::a_site_begins_on_a_full_disk_as_far_as_it_can_and_is_whole_with_room",
            "terrace/stories disk_limits::a_disk_that_can_hold_no_more_files_ends_nothing_and_is_named",
            "terrace/stories disk_limits::a_limit_on_the_length_of_files_ends_nothing",
            "terrace/stories door::a_command_that_never_listens_holds_up_no_other",
            "terrace-web/raw silent_disk::a_log_whose_disk_does_not_answer_holds_up_no_request",
            "terrace-node/server a_coordinator_that_stands_still_holds_up_nothing",
            "terrace-node/lib node::excerpt::tests::a_short_text_is_kept_and_of_a_long_one_both_ends",
            "terrace-protocol/lib outbox::tests::a_peer_that_takes_nothing_is_hung_up_on_and_holds_up_nobody",
            "terrace-service/lib log::tests::a_pipe_that_nobody_reads_holds_up_nobody",
            "terrace-service/lib log::tests::what_takes_nothing_is_counted",
            "terrace-http/lib log::tests::a_visitor_with_long_paths_fills_no_disk",
            "terrace-node/lib logs::tests::a_program_that_prints_without_end_neither_fills_the_disk_nor_waits",
        ],
    },
    Trial {
        number: 2,
        tried: "8,192 silent connections of one address, then 1,024 of another, with newcomers in between; 4,000 that are idle or have half a \
                head; 1,500 bodies on their way that all end at once; an address that uses all of its connections; a web server without a \
                descriptor left; 2,000 silent ones at stage 1 with `limit connections=64`",
        before: "a newcomer waits for 60 s; 10 to 15 KB for each idle connection; 34 of 34 MB stay when all have gone; closed without a word",
        after: "each newcomer has its page at once: the longest idle goes, then the oldest half head, and an address has 1,024 at \
                most; 1.9 KB for each; 0.9 of 31 MB stay; 429 says why; without a descriptor the longest idle goes too, and nothing spins while \
                nobody can go; `status` counts who went",
        tests: &[
            "terrace-web/descriptors without_a_descriptor_newcomers_get_in_and_nothing_spins",
            "terrace/stories crowd::a_silent_crowd_keeps_nobody_out_and_status_says_who_went",
            "terrace-web/idle an_idle_connection_costs_little_and_what_many_had_is_given_back",
            "terrace-web/raw pressure::a_crowd_of_one_address_or_of_many_keeps_no_newcomer_out",
            "terrace-balancer/raw pressure::a_crowd_of_one_address_keeps_no_newcomer_out",
            "terrace-web/raw pressure::the_longest_idle_make_room",
            "terrace-web/raw pressure::silent_ones_and_half_heads_go_and_requests_stay",
            "terrace-web/raw pressure::one_address_has_its_share_and_no_more",
            "terrace-web/raw pressure::who_uses_all_of_its_share_is_turned_away",
            "terrace-http/lib server::spare::tests::what_nobody_needs_goes_and_what_is_needed_stays",
            "terrace-http/lib memory::tests::memory_is_given_back_when_most_of_a_flood_has_gone_and_once",
        ],
    },
    Trial {
        number: 3,
        tried: "visitors who send a body or take an answer at a few bytes a second, before an app with one place, \
                and before an app of two workers through a balancer with `in-flight=2`; a check that times out while \
                requests run; a body whose app dies",
        before: "the next visitor waits as long as the slow one likes (8 s); the check cuts what is in flight; the \
                body is lost",
        after: "bodies are taken whole before a place is, answers are read off: 30 of 30 quick pages, none over 1.5 \
                s, and the slow ones get everything. The check cuts nothing, the body is brought to another app",
        tests: &[
            "terrace-web/raw slow::who_sends_a_body_slowly_does_not_hold_the_app",
            "terrace-web/raw slow::who_reads_slowly_does_not_hold_the_app",
            "terrace-web/raw slow::a_large_body_is_taken_whole_and_brought_to_another_when_the_first_dies",
            "terrace-web/raw slow::a_check_that_fails_by_time_out_cuts_nothing",
            "terrace-web/raw spool::one_address_does_not_take_the_room_of_all",
            "terrace-balancer/raw slow::who_sends_slowly_holds_no_place",
            "terrace-balancer/raw slow::an_app_that_leaves_its_checks_unanswered_for_a_while_loses_nothing",
            "terrace/stories slow::slow_visitors_do_not_hold_an_app_of_two_workers",
        ],
    },
    Trial {
        number: 4,
        tried: "downloads, uploads and events that go on for four times what one may stand still, both ways, files \
                and app",
        before: "cut at `total`, 300 s by default",
        after: "they last as long as something moves; `total` exists where the file says so; less than 500 bytes/s \
                over `idle` ends with 408 and `late` in the log",
        tests: &[
            "terrace-web/raw progress::nothing_bounds_a_whole_exchange_unless_it_is_said",
            "terrace-web/raw progress::events_that_come_now_and_then_come_for_ever",
            "terrace-web/raw progress::downloads_of_the_app_and_of_files_last_as_long_as_they_move",
            "terrace-web/raw progress::uploads_last_as_long_as_they_move",
            "terrace-web/raw progress::a_body_that_drips_ends_and_the_log_says_so",
        ],
    },
    Trial {
        number: 5,
        tried: "an upload of 8 MB to an app that answers 100, 102, 103 meanwhile, begins its 200, ends its answer, \
                or refuses with 413 and closes",
        before: "the upload fails, or the answer is cut",
        after: "interim answers are passed on (never to HTTP/1.0), the rest is whole; 413 arrives in 20 of 20",
        tests: &[
            "terrace-web/raw duplex::interim_answers_during_the_body_are_passed_on_and_end_nothing",
            "terrace-web/raw duplex::an_answer_that_begins_before_the_body_ends",
            "terrace-web/raw duplex::a_whole_answer_before_the_body_does_not_end_the_body",
            "terrace-web/raw duplex::a_refusal_arrives_although_the_app_takes_no_more",
        ],
    },
    Trial {
        number: 6,
        tried: "60 silent connections at a database with 20 places; 700 at that of stage 1, from the other server, while visitors \
                write; 600 silent clients at the router; 200 clients that claim 16 MB before they log in. Both flavours",
        before: "1040 \"Too many connections\" for the controller; a router that meets it counts the primary as away, and sessions \
                give their connections to it up; all are kept; 3.3 GB",
        after: "writes, checks and commands go on by a door of their own; visitors' writes wait for a place and have it, `status` says \
                which database has none; at most 512 wait at the router, the oldest goes first; each claim is closed, less than 64 MB",
        tests: &[
            "terrace-database/mariadb router::crowd::silent_connections_at_the_server_keep_out_neither_writes_nor_the_controller",
            "terrace-database/mariadb router::crowd::silent_clients_of_the_router_go_when_others_come",
            "terrace-database/mariadb router::crowd::what_is_claimed_before_a_login_is_not_kept",
            "terrace-database/mariadb router::crowd::a_primary_without_a_place_for_the_router_itself_keeps_its_sessions",
            "terrace-database/lib router::newest::tests::a_primary_without_a_place_is_not_away",
            "terrace/stories flood::who_writes_during_a_flood_of_silent_connections_has_its_place_and_status_tells_it",
        ],
    },
    Trial {
        number: 7,
        tried: "600 idle connections to the front door of a coordinator with 1,024 descriptors; a web server, a balancer and an SQL \
                router that can open nothing more",
        before: "newcomers are reset; \"foobar does not take requests\", and the app counts as out; the primary counts as away",
        after: "368 connections at most, the longest idle one makes room: a newcomer has its page, `status` and `exec` answer. \
                503 names what is missing, nobody is blamed, `status`, the log and a counter say so",
        tests: &[
            "terrace/stories door::a_crowd_at_the_door_leaves_commands_and_newcomers_alone",
            "terrace/stories lacks::a_role_without_descriptors_says_so_and_blames_nobody",
            "terrace-lab/lib front_door::tests::a_crowd_takes_no_more_than_its_places_and_the_longest_idle_makes_room",
            "terrace-service/lib lack::tests::what_is_missing_here_is_told_apart_from_what_is_wrong_there",
            "terrace-database/lib router::newest::tests::what_is_missing_here_is_not_held_against_the_primary",
        ],
    },
    Trial {
        number: 8,
        tried: "the primary's server without power, behind a pulled cable and frozen for 60 s, under reading and \
                writing; its MariaDB dying again and again; a replica that is back from a power cut while its primary still sends over \
                the connection of before. Both flavours",
        before: "pages that read fail from 4.1 s on, until somebody fails over; such a replica receives nothing for a minute",
        after: "0 of 1,319 reads failed in each, the longest took 2.3 s; dying again and again for 45 s: 0 of 1,023; such a replica \
                follows within 5 s (MySQL 0.4 s), and no write waits for it",
        tests: &[
            "terrace/stories reading::reading_goes_on_while_the_primarys_server_is_away",
            "terrace-database/mariadb router::without::whoever_only_reads_notices_nothing",
            "terrace-database/mariadb router::without::what_was_acknowledged_is_there_whoever_wrote_it",
            "terrace-database/mariadb router::without::of_two_replicas_the_one_is_read_that_has_everything",
            "terrace-database/mariadb replication::half_open::a_replica_that_was_without_power_while_much_was_written_follows_soon",
            "terrace-database/mariadb replication::half_open::nobody_waits_for_a_replica_that_was_without_power_while_nothing_was_written",
        ],
    },
    Trial {
        number: 9,
        tried: "a client leaves, by FIN, RST or half-close, while its write is held: text, binary, several \
                statements, COMMIT, LOAD DATA LOCAL, DDL, a held login with an INSERT sent ahead. Both flavours",
        before: "carried out as soon as there is a primary",
        after: "0 carried out",
        tests: &[
            "terrace-database/mariadb router::held::what_is_held_for_a_client_that_leaves_is_never_carried_out",
            "terrace-database/mariadb router::held::a_write_that_was_refused_and_waits_ends_with_its_client",
            "terrace-database/mariadb router::held::a_login_that_is_held_ends_with_its_client_and_so_does_what_it_sent_ahead",
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
        number: 11,
        tried: "77 shapes of answer, with and without DEPRECATE_EOF, byte for byte through the router and direct, on \
                MariaDB and MySQL; a pretended server with any legal answer in any fragmentation",
        before: "8 of 154 on MariaDB cut, with a session that hangs: procedures that select while a cursor is open",
        after: "0 differ; 3,000 generated answers end where they end",
        tests: &[
            "terrace-database/mariadb router::answers::every_shape_of_answer_ends_where_it_ends",
            "terrace-database/lib router::wire::response::tests::every_answer_ends_with_its_last_packet_and_not_before",
            "terrace-database/lib router::session::scan::tests::any_answer_is_passed_on_to_its_true_end",
        ],
    },
    Trial {
        number: 12,
        tried: "forged identities in trailers and under names that an app reads as the same, framing and routing in \
                trailers, `Proxy`",
        before: "18 of 18 forged trailers reach the app",
        after: "0: one table of rules for heads and trailers, both ways",
        tests: &[
            "terrace-web/raw trailers::nobody_says_who_it_is_behind_a_body",
            "terrace-web/raw trailers::trailers_that_say_where_a_message_ends_or_whom_it_is_for_are_refused",
            "terrace-web/raw trailers::an_answers_trailers_are_held_to_the_same_rules",
            "terrace-web/raw trailers::a_proxy_is_not_for_visitors_to_name",
        ],
    },
    Trial {
        number: 13,
        tried: "HTTP/1.0 without Host, as many fields and as large a head as a visitor may send, long ids, and \
                random requests, through both",
        before: "400 behind the balancer, 200 without it",
        after: "what the balancer sends the web server accepts, with the same meaning",
        tests: &[
            "terrace-balancer/raw accepted::a_request_without_a_host_is_for_the_site",
            "terrace-balancer/raw accepted::as_many_fields_as_a_visitor_may_send",
            "terrace-balancer/raw accepted::as_large_a_head_as_a_visitor_may_send",
            "terrace-balancer/raw accepted::whatever_a_visitor_sends_means_the_same_through_both",
        ],
    },
    Trial {
        number: 14,
        tried: "hosts, ports, targets, dates, ranges, chunks, half-closed visitors and odd answers as tables of \
                cases",
        before: "a dozen of them answered in another way than RFC 9110 and 9112 say",
        after: "each as they say, a case each",
        tests: &[
            "terrace-web/raw corners::hosts_and_ports",
            "terrace-web/raw corners::forms_of_a_target",
            "terrace-web/raw corners::options_of_the_server_as_a_whole",
            "terrace-web/raw corners::a_path_with_dots_is_the_file_that_it_means",
            "terrace-web/raw corners::a_visitor_that_has_said_all_gets_its_answer",
            "terrace-web/raw corners::chunks_of_a_visitor",
            "terrace-web/raw odd_answers::answers_without_a_body_promise_none",
            "terrace-web/raw odd_answers::answers_that_are_odd_and_have_one_meaning_pass",
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
        number: 16,
        tried: "`init`, `check`, `up` with directories, files and programs that are missing, of the wrong kind, \
                unreadable, or hidden on a host",
        before: "`check` says nothing, `up` waits for ever",
        after: "`check` warns with the line; `up` refuses by line before anything is started, in under 0.1 s",
        tests: &[
            "terrace/stories mistakes::what_the_file_names_and_is_not_there_is_named_before_anything_is_started",
            "terrace-site/lib outside::tests::everything_that_is_named_is_found_where_it_stands",
            "terrace/bin on_disk::tests::a_directory_that_holds_the_site_is_a_warning_and_never_proposed",
            "terrace/bin on_disk::tests::what_is_no_directory_is_called_what_it_is",
        ],
    },
    Trial {
        number: 17,
        tried: "builds that fail or hang and migrations that fail, mended in the code or in the file",
        before: "\"is being built\" for ever, no log, `up` again hangs; a failed migration is told after 60 s",
        after: "`status` says failed, since when and the last lines; `terrace logs --build APP`; `up` again builds; \
                a migration is told at once",
        tests: &[
            "terrace/stories builds::a_build_that_fails_is_remembered_with_its_log_and_tried_again",
            "terrace/stories builds::a_build_that_was_mended_in_the_file_is_made_by_apply_and_by_up",
            "terrace/stories builds::a_build_that_hangs_is_shown_and_ended_with_all_that_it_started",
            "terrace/stories builds::a_migration_that_fails_is_told_at_once_and_tried_again",
        ],
    },
    Trial {
        number: 18,
        tried: "a file that is gone, half edited or names another site while two sites are up; `rm -rf .terrace` \
                under a running site",
        before: "\"cannot read\", \"the file has mistakes\"",
        after: "every command reaches the running site and says so in a line; a removed state is said, `exec` and \
                `down` work",
        tests: &[
            "terrace/stories gone::a_file_that_is_gone_or_half_edited_locks_nobody_out",
            "terrace/stories gone::a_state_that_is_removed_under_a_site_is_said_and_the_site_can_be_stopped",
        ],
    },
    Trial {
        number: 19,
        tried: "all commands with closed, broken and full outputs; a coordinator that is killed; likely failures; every file \
                that is kept of stage 1 gone, emptied, cut, random, of another shape, a directory",
        before: "a panic (exit code 101); `up` ends with 0; causes said twice; secrets and databases that are gone are silently \
                 other ones, paths are those of no machine",
        after: "a broken pipe ends quietly, a full disk with 1 and its reason; `up` ends with 1 and the log's name; \
                each cause once; refused in 0.1 s with path, cause and remedy, or made anew and said; a replica without its data is given \
                a copy, a primary is not begun anew",
        tests: &[
            "terrace/stories outputs::no_command_panics_when_its_output_is_closed_broken_or_full",
            "terrace/stories outputs::help_that_cannot_be_written_is_a_failure",
            "terrace/stories builds::an_up_whose_coordinator_dies_says_where_its_log_is",
            "terrace/stories mistakes::no_cause_is_said_twice",
            "terrace/stories outputs::what_was_written_before_it_could_not_be_said_is_said_and_not_written_again",
            "terrace/stories damaged::what_is_damaged_is_named_with_its_remedy_or_made_anew",
            "terrace-lab/lib state::tests::what_is_damaged_is_named_with_its_path_and_not_taken_for_a_new_site",
            "terrace-lab/lib state::tests::a_site_that_has_data_does_not_begin_anew_without_what_it_remembers",
            "terrace-lab/lib state::tests::secrets_that_there_were_are_neither_made_anew_nor_used_when_they_are_damaged",
            "terrace-lab/lib state::tests::databases_that_have_all_lost_their_data_are_not_made_anew",
            "terrace-service/lib kept::tests::what_is_wrong_is_said_with_its_path_and_the_remedy_and_once",
        ],
    },
    Trial {
        number: 20,
        tried: "a balancer's checks, restarts that were asked for, two apps on a server, an app on another port, \
                every command that `status` prints, `apply` of every setting",
        before: "checks count as requests, planned restarts as restarts; `app/1` twice; \"connection refused\"; \
                `web-01/web routes.0.health.path`",
        after: "none counts; `app-api/1 (api)`; \"it listens on 9999, not on $PORT\"; each command works; `app \
                web-01 health`",
        tests: &[
            "terrace-web/raw counts::the_checks_of_our_balancer_are_no_visitors_requests",
            "terrace-app/lib machine::tests::a_restart_is_one_that_nobody_asked_for",
            "terrace/stories mistakes::an_app_that_listens_elsewhere_is_told_so_and_every_command_that_status_prints_works",
            "terrace-site/lib changes::tests::every_setting_that_may_differ_is_told_by_its_own_words",
            "terrace/stories changes::a_changed_setting_is_taken_over_and_a_bad_file_changes_nothing",
        ],
    },
    Trial {
        number: 21,
        tried: "`terrace help WORD` and docs/reference.md, generated from the vocabulary that files are read by",
        before: "there is none",
        after: "43 words with settings, values, defaults, what runs them, and a whole file each; the page lists what \
                the resolver knows and nothing else",
        tests: &[
            "terrace-site/lib reference::tests::every_example_is_a_file_without_a_mistake_and_in_the_common_layout",
            "terrace-site/lib reference::tests::a_default_is_what_holds_without_the_setting_and_another_value_is_not",
            "terrace-site/lib reference::tests::the_page_lists_what_the_resolver_knows_and_nothing_else",
            "terrace-site/lib reference::tests::the_page_is_current",
        ],
    },
    Trial {
        number: 22,
        tried: "\"Next\" after `up`; eleven shapes of file at 250 and at 1,000 servers, names on one line at 2,500 and 10,000; a line of \
                1 MB, 100,000 nested blocks; `check`, `explain` and `draw` of 20,000 servers",
        before: "a stage that `up` refuses is named; time grows with the square: `check` of 20,000 servers takes up to 4.4 s, `explain` of 2,000 \
                 9.9 s and 1.5 GB, `draw` does not end within 40 s",
        after: "only a step that can be taken; four times the file is less than seven times the work; of 20,000 servers three of each kind stand \
                for all in `explain` and `draw`",
        tests: &[
            "terrace-insight/growth four_times_the_file_is_about_four_times_the_work",
            "terrace-insight/growth a_long_line_of_names_is_read_in_time_that_grows_with_it",
            "terrace-insight/growth very_many_servers_are_explained_and_drawn_as_few",
            "terrace-insight/growth what_is_deep_or_long_is_read_to_its_end",
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
    Trial {
        number: 24,
        tried: "`prove` against its own model: predicted failures and waits that no round shows, and waits longer \
                than predicted; writing while the replica's server is without power, stage 1, three seeds; forms at a server that freezes",
        before: "they agree; a write fails where its turn comes on a connection that was kept: 1 of 140, or none in three rounds. Forms at a \
                 frozen server wait for 31 s, \"up to 5 s\" is said",
        after: "they disagree, by name; every prediction has its bound; no write that came later fails: what must not be sent twice goes \
                over a connection that was heard from just now, or a new one. 504 as soon as the silence is noticed, and the bound counts until then",
        tests: &[
            "terrace-lab/lib proof::verdict::tests::a_failure_that_no_round_shows_is_a_wrong_prediction",
            "terrace-lab/lib proof::verdict::tests::a_wait_that_no_round_shows_is_one_too_unless_nobody_would_notice_it",
            "terrace-lab/lib proof::verdict::tests::a_pause_is_held_to_its_bound",
            "terrace-http/lib upstream::pool::tests::a_form_goes_over_no_connection_that_is_long_unheard",
            "terrace-insight/lib failures::tests::what_takes_longest_on_the_way_bounds_it",
            "terrace-insight/lib failures::tests::what_must_not_be_asked_twice_ends_with_the_silence_or_with_its_time",
            "terrace-lab/lib load::outage::tests::who_waits_to_be_told_of_a_failure_fails_until_then",
            "terrace-balancer/raw slow::what_cannot_be_asked_of_another_ends_when_its_server_falls_silent",
            "terrace-balancer/raw slow::a_form_at_a_server_that_falls_silent_is_not_sent_to_another",
            "terrace/stories frozen::a_form_at_a_server_that_stands_still_ends_as_soon_as_that_is_noticed",
        ],
    },
];
