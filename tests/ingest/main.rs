//! The ingest side, from outside: the real binary, real sockets, real databases.

#[path = "../support/ingest.rs"]
mod ingest;
#[path = "../support/objects.rs"]
mod objects;
#[path = "../support/postgres.rs"]
mod postgres;
#[path = "../support/stores.rs"]
mod stores;
#[path = "../support/mod.rs"]
mod support;

mod audio;
mod batches;
mod bucket;
mod clients;
mod database;
mod life;
mod outage;
mod pair;
mod reports;
mod shared;
mod versions;
mod wire;

/// Makes each behaviour a test in a room of this name, at a home that is had in this way.
macro_rules! tests {
    ($name:ident, $at:path, { $($room:ident: { $($behaviour:ident,)* })* }) => {
        mod $name {
            $($(
                #[test]
                fn $behaviour() {
                    $at(crate::$room::$behaviour);
                }
            )*)*
        }
    };
}

macro_rules! on_each_store {
    ($($behaviours:tt)*) => {
        tests!(on_sqlite, crate::stores::at_sqlite, { $($behaviours)* });
        tests!(on_postgres, crate::stores::at_postgres, { $($behaviours)* });
    };
}

macro_rules! on_an_object_store {
    ($($behaviours:tt)*) => {
        tests!(on_postgres_and_an_object_store, crate::stores::at_a_bucket, { $($behaviours)* });
    };
}

// A behaviour that is not listed is never used, which the compiler tells.
on_each_store! {
    life: {
        without_a_token_it_says_what_to_do_and_exits_with_78,
        without_auth_it_serves_loopback_and_nothing_else,
        a_signal_ends_it_with_success_after_what_is_in_flight,
        what_was_acknowledged_survives_a_kill,
    }
    reports: {
        a_report_is_created_then_unchanged_then_updated,
        a_record_reads_back_as_the_contract_says,
        a_record_that_is_absent_or_invisible_is_not_found,
        only_a_changed_text_adds_a_revision_and_the_newest_is_shown,
        a_variant_that_is_not_sent_again_stays,
        a_missing_time_is_now_at_first_and_then_stays,
        what_can_never_be_stored_gets_422_and_the_name_of_the_field,
        a_bad_request_gets_the_contracts_words,
        only_the_exact_path_takes_a_post,
        a_report_that_is_too_large_gets_413,
    }
    versions: {
        a_late_copy_of_an_older_version_writes_nothing,
        versions_of_audio_are_counted_apart_from_those_of_reports,
        concurrent_writers_of_one_id_leave_revisions_without_gaps_and_the_newest_version,
    }
    audio: {
        audio_is_linked_to_its_report_and_stays_linked,
        audio_that_came_first_is_linked_when_its_report_comes,
        audio_elsewhere_is_known_from_the_report,
        the_same_audio_is_unchanged_and_other_audio_replaces_it,
        of_a_repeated_part_the_last_wins,
        what_is_no_audio_upload_is_refused_and_leaves_nothing,
        no_id_leaves_the_media_folder_or_takes_the_file_of_another,
        audio_is_served_whole_in_ranges_and_by_its_head,
        nothing_but_finished_audio_is_served,
    }
    clients: {
        a_python_client_of_one_post_a_record_works_unchanged,
    }
    wire: {
        an_unauthorized_writer_is_told_before_the_body_is_read,
        one_connection_carries_many_requests,
        chunked_and_compressed_bodies_are_taken,
        an_http_1_0_client_is_answered_in_kind,
        half_a_header_half_a_body_and_idling_all_end,
        a_connection_beyond_the_cap_is_turned_away_and_room_is_found_again,
        health_has_the_contracts_keys,
        a_large_upload_does_not_grow_the_server,
        a_failing_media_folder_is_the_stores_fault_and_passes,
    }
}

on_an_object_store! {
    audio: {
        audio_is_linked_to_its_report_and_stays_linked,
        audio_that_came_first_is_linked_when_its_report_comes,
        audio_elsewhere_is_known_from_the_report,
        the_same_audio_is_unchanged_and_other_audio_replaces_it,
        of_a_repeated_part_the_last_wins,
        what_is_no_audio_upload_is_refused_and_leaves_nothing,
        no_id_leaves_the_media_folder_or_takes_the_file_of_another,
        audio_is_served_whole_in_ranges_and_by_its_head,
        nothing_but_finished_audio_is_served,
    }
    versions: {
        versions_of_audio_are_counted_apart_from_those_of_reports,
    }
}
