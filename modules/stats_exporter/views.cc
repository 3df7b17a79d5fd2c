// The module's own views, in the format that definition.cc describes. Metrics and labels have the names that
// dashboards for PostgreSQL's usual exporter for Prometheus look for, where there are such.
#include "stats_exporter.hpp"

namespace stats_exporter {

namespace {

constexpr const char* server_views = R"(
-- metric: pg_stat_database
-- label: datid datname
-- rank: xact_commit
-- gauge: numbackends Sessions in this database
-- counter: xact_commit Transactions committed
-- counter: xact_rollback Transactions rolled back
-- counter: blks_read Blocks read from outside shared buffers
-- counter: blks_hit Blocks found in shared buffers
-- counter: tup_returned Live rows fetched by sequential scans and index entries returned by index scans
-- counter: tup_fetched Live rows fetched by index scans
-- counter: tup_inserted Rows inserted
-- counter: tup_updated Rows updated
-- counter: tup_deleted Rows deleted
-- counter: conflicts Statements cancelled by conflicts with recovery
-- counter: temp_files Temporary files created
-- counter: temp_bytes Bytes written to temporary files
-- counter: deadlocks Deadlocks detected
-- counter: blk_read_time Time spent reading blocks, in milliseconds
-- counter: blk_write_time Time spent writing blocks, in milliseconds
-- counter: active_time_seconds_total Time spent executing statements
-- counter: session_time_seconds_total Time spent by sessions
-- counter: idle_in_transaction_time_seconds_total Time spent idle in a transaction
-- counter: sessions_total Sessions begun
-- counter: sessions_abandoned_total Sessions whose client was lost
-- counter: sessions_fatal_total Sessions ended by an error
-- counter: sessions_killed_total Sessions ended by an administrator
-- counter: checksum_failures_total Pages whose checksum was wrong
-- value: stats_reset When the statistics were last reset, in seconds since 1970
SELECT datid, coalesce(datname, '') AS datname, numbackends, xact_commit, xact_rollback, blks_read, blks_hit,
       tup_returned, tup_fetched, tup_inserted, tup_updated, tup_deleted, conflicts, temp_files, temp_bytes, deadlocks,
       blk_read_time, blk_write_time, active_time / 1000 AS active_time_seconds_total,
       session_time / 1000 AS session_time_seconds_total,
       idle_in_transaction_time / 1000 AS idle_in_transaction_time_seconds_total, sessions AS sessions_total,
       sessions_abandoned AS sessions_abandoned_total, sessions_fatal AS sessions_fatal_total,
       sessions_killed AS sessions_killed_total, checksum_failures AS checksum_failures_total,
       extract(epoch FROM stats_reset) AS stats_reset
FROM pg_catalog.pg_stat_database;

-- metric: pg_stat_database_conflicts
-- label: datid datname
-- counter: confl_tablespace Statements cancelled because a tablespace was dropped
-- counter: confl_lock Statements cancelled because of a lock
-- counter: confl_snapshot Statements cancelled because of an old snapshot
-- counter: confl_bufferpin Statements cancelled because of a pinned buffer
-- counter: confl_deadlock Statements cancelled because of a deadlock
SELECT datid, datname, confl_tablespace, confl_lock, confl_snapshot, confl_bufferpin, confl_deadlock
FROM pg_catalog.pg_stat_database_conflicts;

-- metric: pg_database
-- label: datname
-- gauge: size_bytes Disk space used by the database
-- value: connection_limit Connection limit of the database, -1 for none
SELECT datname, pg_catalog.pg_database_size(oid) AS size_bytes, datconnlimit AS connection_limit
FROM pg_catalog.pg_database WHERE datallowconn;

-- metric: pg_database_wraparound
-- label: datname
-- value: age_datfrozenxid_seconds Age of the oldest transaction ID that is not frozen, in transactions
-- value: age_datminmxid_seconds Age of the oldest multixact ID that is not replaced, in multixacts
SELECT datname, pg_catalog.age(datfrozenxid) AS age_datfrozenxid_seconds,
       pg_catalog.mxid_age(datminmxid) AS age_datminmxid_seconds
FROM pg_catalog.pg_database WHERE datallowconn;

-- metric: pg_stat_activity
-- label: datname state usename application_name backend_type wait_event_type wait_event
-- gauge: count Sessions in this state
-- value: max_tx_duration Age of the oldest transaction of these sessions, in seconds
SELECT coalesce(datname, '') AS datname, coalesce(state, 'background') AS state, coalesce(usename, '') AS usename,
       application_name, coalesce(backend_type, '') AS backend_type, coalesce(wait_event_type, '') AS wait_event_type,
       coalesce(wait_event, '') AS wait_event, count(*) AS count,
       coalesce(max(extract(epoch FROM pg_catalog.clock_timestamp() - xact_start)), 0) AS max_tx_duration
FROM pg_catalog.pg_stat_activity WHERE pid <> pg_catalog.pg_backend_pid() GROUP BY 1, 2, 3, 4, 5, 6, 7;

-- metric: pg_long_running
-- value: transactions Transactions older than a minute
-- value: transactions_oldest_timestamp_seconds When the oldest transaction began, in seconds since 1970
SELECT count(*) FILTER (WHERE xact_start < pg_catalog.now() - interval '1 minute') AS transactions,
       extract(epoch FROM min(xact_start)) AS transactions_oldest_timestamp_seconds
FROM pg_catalog.pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_catalog.pg_backend_pid();

-- metric: pg_locks
-- label: datname mode
-- top: 1000
-- gauge: count Locks held and waited for
SELECT d.datname, m.mode, coalesce(l.count, 0) AS count
FROM pg_catalog.pg_database d
CROSS JOIN unnest('{accesssharelock,rowsharelock,rowexclusivelock,shareupdateexclusivelock,sharelock,sharerowexclusivelock,exclusivelock,accessexclusivelock,sireadlock}'::text[]) AS m (mode)
LEFT JOIN (SELECT database, lower(mode) AS mode, count(*) AS count FROM pg_catalog.pg_locks
           WHERE database IS NOT NULL GROUP BY 1, 2) l ON l.database = d.oid AND l.mode = m.mode
WHERE d.datallowconn;

-- metric: pg_stat_bgwriter
-- versions: -170000
-- counter: checkpoints_timed_total Checkpoints made because it was time
-- counter: checkpoints_req_total Checkpoints made because they were asked for
-- counter: checkpoint_write_time_total Time spent writing at checkpoints, in milliseconds
-- counter: checkpoint_sync_time_total Time spent synchronizing at checkpoints, in milliseconds
-- counter: buffers_checkpoint_total Buffers written at checkpoints
-- counter: buffers_clean_total Buffers written by the background writer
-- counter: maxwritten_clean_total Times the background writer stopped because it had written too much
-- counter: buffers_backend_total Buffers written by backends
-- counter: buffers_backend_fsync_total Times a backend had to synchronize a file itself
-- counter: buffers_alloc_total Buffers allocated
-- value: stats_reset_seconds When the statistics were last reset, in seconds since 1970
SELECT checkpoints_timed AS checkpoints_timed_total, checkpoints_req AS checkpoints_req_total,
       checkpoint_write_time AS checkpoint_write_time_total, checkpoint_sync_time AS checkpoint_sync_time_total,
       buffers_checkpoint AS buffers_checkpoint_total, buffers_clean AS buffers_clean_total,
       maxwritten_clean AS maxwritten_clean_total, buffers_backend AS buffers_backend_total,
       buffers_backend_fsync AS buffers_backend_fsync_total, buffers_alloc AS buffers_alloc_total,
       extract(epoch FROM stats_reset) AS stats_reset_seconds
FROM pg_catalog.pg_stat_bgwriter;

-- metric: pg_stat_bgwriter
-- versions: 170000-
-- counter: buffers_clean_total Buffers written by the background writer
-- counter: maxwritten_clean_total Times the background writer stopped because it had written too much
-- counter: buffers_alloc_total Buffers allocated
-- value: stats_reset_seconds When the statistics were last reset, in seconds since 1970
SELECT buffers_clean AS buffers_clean_total, maxwritten_clean AS maxwritten_clean_total,
       buffers_alloc AS buffers_alloc_total, extract(epoch FROM stats_reset) AS stats_reset_seconds
FROM pg_catalog.pg_stat_bgwriter;

-- metric: pg_stat_checkpointer
-- versions: 170000-
-- counter: num_timed_total Checkpoints made because it was time
-- counter: num_requested_total Checkpoints made because they were asked for
-- counter: restartpoints_timed_total Restartpoints made because it was time
-- counter: restartpoints_req_total Restartpoints made because they were asked for
-- counter: restartpoints_done_total Restartpoints made
-- counter: write_time_total Time spent writing, in milliseconds
-- counter: sync_time_total Time spent synchronizing, in milliseconds
-- counter: buffers_written_total Buffers written
SELECT num_timed AS num_timed_total, num_requested AS num_requested_total,
       restartpoints_timed AS restartpoints_timed_total, restartpoints_req AS restartpoints_req_total,
       restartpoints_done AS restartpoints_done_total, write_time AS write_time_total, sync_time AS sync_time_total,
       buffers_written AS buffers_written_total
FROM pg_catalog.pg_stat_checkpointer;

-- metric: pg_stat_wal
-- versions: 140000-
-- counter: records_total Records of WAL generated
-- counter: full_page_images_total Images of whole pages among them
-- counter: bytes_total Bytes of WAL generated
-- counter: buffers_full_total Times WAL was written because its buffers were full
SELECT wal_records AS records_total, wal_fpi AS full_page_images_total, wal_bytes AS bytes_total,
       wal_buffers_full AS buffers_full_total
FROM pg_catalog.pg_stat_wal;

-- metric: pg_wal
-- gauge: segments Files of WAL in pg_wal
-- gauge: size_bytes Disk space that they use
SELECT count(*) AS segments, coalesce(sum(size), 0) AS size_bytes FROM pg_catalog.pg_ls_waldir()
WHERE name ~ '^[0-9A-F]{24}$';

-- metric: pg_stat_archiver
-- counter: archived_count Files of WAL archived
-- counter: failed_count Attempts to archive that failed
-- value: last_archive_age Time since a file was archived, in seconds
SELECT archived_count, failed_count,
       extract(epoch FROM pg_catalog.clock_timestamp() - last_archived_time) AS last_archive_age
FROM pg_catalog.pg_stat_archiver;

-- metric: pg_stat_replication
-- label: application_name client_addr state slot_name pid
-- value: pg_current_wal_lsn_bytes Position in WAL, in bytes
-- gauge: pg_wal_lsn_diff How far replay is behind, in bytes
-- value: write_lag_seconds Time until WAL was written there
-- value: flush_lag_seconds Time until WAL was flushed there
-- value: replay_lag_seconds Time until WAL was replayed there
-- rank: pg_wal_lsn_diff
SELECT r.application_name, coalesce(r.client_addr::text, '') AS client_addr, r.state,
       coalesce(s.slot_name, '') AS slot_name, r.pid, w.lsn - '0/0'::pg_lsn AS pg_current_wal_lsn_bytes,
       w.lsn - r.replay_lsn AS pg_wal_lsn_diff, extract(epoch FROM r.write_lag) AS write_lag_seconds,
       extract(epoch FROM r.flush_lag) AS flush_lag_seconds, extract(epoch FROM r.replay_lag) AS replay_lag_seconds
FROM pg_catalog.pg_stat_replication r LEFT JOIN pg_catalog.pg_replication_slots s ON s.active_pid = r.pid
CROSS JOIN (SELECT CASE WHEN pg_catalog.pg_is_in_recovery() THEN pg_catalog.pg_last_wal_receive_lsn()
                        ELSE pg_catalog.pg_current_wal_lsn() END AS lsn) w;

-- metric: pg_replication_slots
-- label: slot_name database
-- rank: pg_wal_lsn_diff
-- gauge: active Whether somebody uses the slot
-- gauge: pg_wal_lsn_diff WAL kept for the slot, in bytes
-- value: safe_wal_size_bytes WAL that can still be written before the slot is in danger
SELECT slot_name, coalesce(database, '') AS database, active::int AS active,
       w.lsn - restart_lsn AS pg_wal_lsn_diff, safe_wal_size AS safe_wal_size_bytes
FROM pg_catalog.pg_replication_slots
CROSS JOIN (SELECT CASE WHEN pg_catalog.pg_is_in_recovery() THEN pg_catalog.pg_last_wal_receive_lsn()
                        ELSE pg_catalog.pg_current_wal_lsn() END AS lsn) w;

-- metric: pg_replication
-- value: lag_seconds How far replay is behind, 0 on a primary
-- value: is_replica Whether the server is a standby
-- value: last_replay_seconds Time since a transaction was replayed, 0 on a primary
SELECT CASE WHEN NOT pg_catalog.pg_is_in_recovery() OR pg_catalog.pg_last_wal_receive_lsn() = pg_catalog.pg_last_wal_replay_lsn() THEN 0
            ELSE greatest(0, extract(epoch FROM pg_catalog.clock_timestamp() - pg_catalog.pg_last_xact_replay_timestamp())) END AS lag_seconds,
       pg_catalog.pg_is_in_recovery()::int AS is_replica,
       CASE WHEN pg_catalog.pg_is_in_recovery() THEN greatest(0, extract(epoch FROM pg_catalog.clock_timestamp() - pg_catalog.pg_last_xact_replay_timestamp())) ELSE 0 END AS last_replay_seconds;
)";

constexpr const char* more_views = R"(
-- metric: pg_postmaster
-- value: start_time_seconds When the server was started, in seconds since 1970
SELECT extract(epoch FROM pg_catalog.pg_postmaster_start_time()) AS start_time_seconds;

-- metric: pg
-- label: version short_version
-- value: static The version of the server, as labels
SELECT pg_catalog.version() AS version, pg_catalog.current_setting('server_version') AS short_version, 1 AS static;

-- metric: pg_settings
-- value: max_connections Setting max_connections
-- value: superuser_reserved_connections Setting superuser_reserved_connections
-- value: max_worker_processes Setting max_worker_processes
-- value: max_parallel_workers Setting max_parallel_workers
-- value: max_prepared_transactions Setting max_prepared_transactions
-- value: max_wal_senders Setting max_wal_senders
-- value: max_replication_slots Setting max_replication_slots
-- value: autovacuum_max_workers Setting autovacuum_max_workers
-- value: autovacuum_freeze_max_age Setting autovacuum_freeze_max_age
-- value: random_page_cost Setting random_page_cost
-- value: seq_page_cost Setting seq_page_cost
-- value: shared_buffers_bytes Setting shared_buffers
-- value: effective_cache_size_bytes Setting effective_cache_size
-- value: work_mem_bytes Setting work_mem
-- value: maintenance_work_mem_bytes Setting maintenance_work_mem
-- value: max_wal_size_bytes Setting max_wal_size
-- value: min_wal_size_bytes Setting min_wal_size
-- value: checkpoint_timeout_seconds Setting checkpoint_timeout
-- value: checkpoint_completion_target Setting checkpoint_completion_target
SELECT
       max(setting::float8) FILTER (WHERE name = 'max_connections') AS max_connections,
       max(setting::float8) FILTER (WHERE name = 'superuser_reserved_connections') AS superuser_reserved_connections,
       max(setting::float8) FILTER (WHERE name = 'max_worker_processes') AS max_worker_processes,
       max(setting::float8) FILTER (WHERE name = 'max_parallel_workers') AS max_parallel_workers,
       max(setting::float8) FILTER (WHERE name = 'max_prepared_transactions') AS max_prepared_transactions,
       max(setting::float8) FILTER (WHERE name = 'max_wal_senders') AS max_wal_senders,
       max(setting::float8) FILTER (WHERE name = 'max_replication_slots') AS max_replication_slots,
       max(setting::float8) FILTER (WHERE name = 'autovacuum_max_workers') AS autovacuum_max_workers,
       max(setting::float8) FILTER (WHERE name = 'autovacuum_freeze_max_age') AS autovacuum_freeze_max_age,
       max(setting::float8) FILTER (WHERE name = 'random_page_cost') AS random_page_cost,
       max(setting::float8) FILTER (WHERE name = 'seq_page_cost') AS seq_page_cost,
       max(setting::float8 * CASE unit WHEN '8kB' THEN 8192 WHEN 'kB' THEN 1024 WHEN 'MB' THEN 1048576 ELSE 1 END) FILTER (WHERE name = 'shared_buffers') AS shared_buffers_bytes,
       max(setting::float8 * CASE unit WHEN '8kB' THEN 8192 WHEN 'kB' THEN 1024 WHEN 'MB' THEN 1048576 ELSE 1 END) FILTER (WHERE name = 'effective_cache_size') AS effective_cache_size_bytes,
       max(setting::float8 * CASE unit WHEN '8kB' THEN 8192 WHEN 'kB' THEN 1024 WHEN 'MB' THEN 1048576 ELSE 1 END) FILTER (WHERE name = 'work_mem') AS work_mem_bytes,
       max(setting::float8 * CASE unit WHEN '8kB' THEN 8192 WHEN 'kB' THEN 1024 WHEN 'MB' THEN 1048576 ELSE 1 END) FILTER (WHERE name = 'maintenance_work_mem') AS maintenance_work_mem_bytes,
       max(setting::float8 * CASE unit WHEN '8kB' THEN 8192 WHEN 'kB' THEN 1024 WHEN 'MB' THEN 1048576 ELSE 1 END) FILTER (WHERE name = 'max_wal_size') AS max_wal_size_bytes,
       max(setting::float8 * CASE unit WHEN '8kB' THEN 8192 WHEN 'kB' THEN 1024 WHEN 'MB' THEN 1048576 ELSE 1 END) FILTER (WHERE name = 'min_wal_size') AS min_wal_size_bytes,
       max(setting::float8) FILTER (WHERE name = 'checkpoint_timeout') AS checkpoint_timeout_seconds,
       max(setting::float8) FILTER (WHERE name = 'checkpoint_completion_target') AS checkpoint_completion_target
FROM pg_catalog.pg_settings WHERE vartype IN ('integer', 'real');

-- metric: pg_stat_user_tables
-- each database
-- label: schemaname relname
-- rank: activity
-- counter: seq_scan Sequential scans
-- counter: seq_tup_read Live rows read by them
-- counter: idx_scan Index scans
-- counter: idx_tup_fetch Live rows fetched by them
-- counter: n_tup_ins Rows inserted
-- counter: n_tup_upd Rows updated
-- counter: n_tup_del Rows deleted
-- counter: n_tup_hot_upd Rows updated without a new index entry
-- counter: vacuum_count Times vacuumed by hand
-- counter: autovacuum_count Times vacuumed by autovacuum
-- counter: analyze_count Times analyzed by hand
-- counter: autoanalyze_count Times analyzed by autovacuum
-- gauge: n_live_tup Live rows, estimated
-- gauge: n_dead_tup Dead rows, estimated
-- gauge: n_mod_since_analyze Rows changed since the table was analyzed
-- value: last_vacuum When last vacuumed by hand, in seconds since 1970, 0 for never
-- value: last_autovacuum When last vacuumed by autovacuum, in seconds since 1970, 0 for never
-- value: last_analyze When last analyzed by hand, in seconds since 1970, 0 for never
-- value: last_autoanalyze When last analyzed by autovacuum, in seconds since 1970, 0 for never
-- gauge: size_bytes Disk space of the table with its indexes and TOAST, estimated from what was last analyzed
-- counter: activity Rows read and changed, by which the top tables are chosen
SELECT s.schemaname, s.relname, s.seq_scan, s.seq_tup_read, coalesce(s.idx_scan, 0) AS idx_scan, coalesce(s.idx_tup_fetch, 0) AS idx_tup_fetch, s.n_tup_ins, s.n_tup_upd, s.n_tup_del, s.n_tup_hot_upd, s.vacuum_count, s.autovacuum_count, s.analyze_count, s.autoanalyze_count, s.n_live_tup, s.n_dead_tup, s.n_mod_since_analyze,
       coalesce(extract(epoch FROM s.last_vacuum), 0) AS last_vacuum,
       coalesce(extract(epoch FROM s.last_autovacuum), 0) AS last_autovacuum,
       coalesce(extract(epoch FROM s.last_analyze), 0) AS last_analyze,
       coalesce(extract(epoch FROM s.last_autoanalyze), 0) AS last_autoanalyze,
       (SELECT sum(c.relpages) FROM pg_catalog.pg_class c WHERE c.oid = s.relid OR c.oid = r.reltoastrelid OR c.oid IN
          (SELECT i.indexrelid FROM pg_catalog.pg_index i WHERE i.indrelid = s.relid)) * pg_catalog.current_setting('block_size')::int8 AS size_bytes,
       s.seq_tup_read + coalesce(s.idx_tup_fetch, 0) + s.n_tup_ins + s.n_tup_upd + s.n_tup_del AS activity
FROM pg_catalog.pg_stat_user_tables s JOIN pg_catalog.pg_class r ON r.oid = s.relid;

-- metric: pg_statio_user_tables
-- each database
-- label: schemaname relname
-- counter: heap_blocks_read Blocks of the table read
-- counter: heap_blocks_hit Blocks of the table found in shared buffers
-- counter: idx_blocks_read Blocks of its indexes read
-- counter: idx_blocks_hit Blocks of its indexes found in shared buffers
-- counter: toast_blocks_read Blocks of its TOAST table read
-- counter: toast_blocks_hit Blocks of its TOAST table found in shared buffers
-- counter: tidx_blocks_read Blocks of the TOAST table's index read
-- counter: tidx_blocks_hit Blocks of the TOAST table's index found in shared buffers
SELECT schemaname, relname, coalesce(heap_blks_read, 0) AS heap_blocks_read, coalesce(heap_blks_hit, 0) AS heap_blocks_hit, coalesce(idx_blks_read, 0) AS idx_blocks_read, coalesce(idx_blks_hit, 0) AS idx_blocks_hit, coalesce(toast_blks_read, 0) AS toast_blocks_read, coalesce(toast_blks_hit, 0) AS toast_blocks_hit, coalesce(tidx_blks_read, 0) AS tidx_blocks_read, coalesce(tidx_blks_hit, 0) AS tidx_blocks_hit
FROM pg_catalog.pg_statio_user_tables;

-- metric: pg_stat_user_indexes
-- each database
-- label: schemaname relname indexrelname
-- counter: idx_scan_total Scans of the index
-- counter: idx_tup_read_total Entries returned by them
-- counter: idx_tup_fetch_total Live rows fetched by them
-- counter: idx_blks_read_total Blocks of the index read
-- counter: idx_blks_hit_total Blocks of the index found in shared buffers
SELECT s.schemaname, s.relname, s.indexrelname, s.idx_scan AS idx_scan_total, s.idx_tup_read AS idx_tup_read_total,
       s.idx_tup_fetch AS idx_tup_fetch_total, i.idx_blks_read AS idx_blks_read_total,
       i.idx_blks_hit AS idx_blks_hit_total
FROM pg_catalog.pg_stat_user_indexes s JOIN pg_catalog.pg_statio_user_indexes i USING (indexrelid);

-- metric: pg_stat_user_functions
-- each database
-- label: schemaname funcname funcid
-- rank: total_time_seconds_total
-- counter: calls_total Calls of the function
-- counter: total_time_seconds_total Time spent in it and what it calls
-- counter: self_time_seconds_total Time spent in itself
SELECT schemaname, funcname, funcid, calls AS calls_total, total_time / 1000 AS total_time_seconds_total,
       self_time / 1000 AS self_time_seconds_total
FROM pg_catalog.pg_stat_user_functions;

-- metric: pg_stat_progress_vacuum
-- label: datname pid relid phase
-- value: heap_blks Blocks of the table when the vacuum began
-- value: heap_blks_scanned Blocks scanned so far
-- value: heap_blks_vacuumed Blocks vacuumed so far
-- value: index_vacuums Rounds through the indexes so far
SELECT datname, pid, relid, phase, heap_blks_total AS heap_blks, heap_blks_scanned, heap_blks_vacuumed,
       index_vacuum_count AS index_vacuums
FROM pg_catalog.pg_stat_progress_vacuum;

-- metric: pg_stat_slru
-- label: name
-- counter: blks_hit_total Blocks found in the cache
-- counter: blks_read_total Blocks read
-- counter: blks_written_total Blocks written
SELECT name, blks_hit AS blks_hit_total, blks_read AS blks_read_total, blks_written AS blks_written_total
FROM pg_catalog.pg_stat_slru;

-- metric: pg_stat_subscription
-- label: subname pid relid
-- value: latest_end_age_seconds Time since the publisher reported its position
-- value: received_lsn_bytes Position received, in bytes
SELECT subname, coalesce(pid::text, '') AS pid, coalesce(relid::int8::text, '') AS relid,
       extract(epoch FROM pg_catalog.clock_timestamp() - latest_end_time) AS latest_end_age_seconds,
       received_lsn - '0/0'::pg_lsn AS received_lsn_bytes
FROM pg_catalog.pg_stat_subscription;

-- metric: pg_stat_statements
-- requires: pg_stat_statements
-- label: user datname queryid
-- rank: seconds_total
-- counter: calls_total Calls of the statement
-- counter: seconds_total Time spent executing it
-- counter: rows_total Rows returned or changed
-- counter: blocks_hit_total Blocks found in shared buffers
-- counter: blocks_read_total Blocks read
-- counter: wal_bytes_total Bytes of WAL generated
SELECT pg_catalog.pg_get_userbyid(s.userid) AS "user", d.datname, s.queryid, sum(s.calls) AS calls_total,
       sum(s.total_exec_time) / 1000 AS seconds_total, sum(s.rows) AS rows_total,
       sum(s.shared_blks_hit) AS blocks_hit_total, sum(s.shared_blks_read) AS blocks_read_total,
       sum(s.wal_bytes) AS wal_bytes_total
FROM pg_stat_statements(false) s JOIN pg_catalog.pg_database d ON d.oid = s.dbid
WHERE s.queryid IS NOT NULL GROUP BY 1, 2, 3;
)";

}  // namespace

const std::vector<definition>& own_definitions() {
  static const std::vector<definition> all =
      parse_definitions(std::string(server_views) + more_views, "stats_exporter");
  return all;
}

}  // namespace stats_exporter
