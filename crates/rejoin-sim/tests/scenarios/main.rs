//! One scenario per file, the file name is the scenario. Each runs over many seeds; `SEED=42`
//! replays one. They share one test binary because linking twenty takes longer than running them.

mod seeds;

mod a_breaker_outlives_a_restart;
mod a_silent_source_delays_nobody;
mod absences;
mod all_dead;
mod clock_set_back;
mod clock_set_forward;
mod cold_start_by_one_source;
mod crash_and_disk_full;
mod half_dead;
mod hot_set;
mod inbound_flood;
mod laptop_sleep;
mod made_memory;
mod mistake_01_dial_queued_is_no_success;
mod mistake_04_closing_while_offline_loses_nothing;
mod mistake_05_a_crash_loses_at_most_five_seconds;
mod mistake_06_a_failed_save_blocks_nothing;
mod mistake_11_peers_seen_again_are_refreshed;
mod mistake_12_one_of_one_does_not_outrank_99_of_100;
mod mistake_13_penalties_survive_the_next_update;
mod mistake_16_backoff_survives_a_restart;
mod mistake_17_one_dead_peer_holds_up_nobody;
mod mistake_18_never_connected_go_before_proven;
mod mistake_19_a_source_that_names_ten_thousand;
mod own_outage;
mod partition;
mod real_churn;
mod restart;
mod same_seed_same_trace;
mod silent_peer;
mod sleeping_browser;
mod stale_memory_never_worse_than_cold;
mod surplus;
mod swarm_blackout;
mod swarm_eclipse;
mod swarm_flood;
mod swarm_half_replaced;
mod swarm_liar;
mod swarm_one_introducer_each;
mod swarm_same_seed_same_trace;
mod wifi_drop;
