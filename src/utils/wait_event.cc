// What processes wait for, in words: the server's names for the numbers of utils/wait_event.h.
//
// A process writes its wait event into one word, its PGPROC's once it has one (pgstat_report_wait_start() is
// inline in the header); anybody may read that word at any time. The names are the server's, in the order of
// the enums.
#include "bridge/wait.hpp"
#include "port/start_data.hpp"

extern "C" {
#include "postgres.h"
#include "storage/lock.h"
#include "storage/lwlock.h"
#include "utils/wait_event.h"
}

namespace {

constexpr const char* activity_names[] = {"ArchiverMain",        "AutoVacuumMain",    "BgWriterHibernate",
                                          "BgWriterMain",        "CheckpointerMain",  "LogicalApplyMain",
                                          "LogicalLauncherMain", "RecoveryWalStream", "SysLoggerMain",
                                          "WalReceiverMain",     "WalSenderMain",     "WalWriterMain"};
static_assert(lengthof(activity_names) == WAIT_EVENT_WAL_WRITER_MAIN - PG_WAIT_ACTIVITY + 1);

constexpr const char* client_names[] = {"ClientRead",
                                        "ClientWrite",
                                        "GSSOpenServer",
                                        "LibPQWalReceiverConnect",
                                        "LibPQWalReceiverReceive",
                                        "SSLOpenServer",
                                        "WalSenderWaitForWAL",
                                        "WalSenderWriteData"};
static_assert(lengthof(client_names) == WAIT_EVENT_WAL_SENDER_WRITE_DATA - PG_WAIT_CLIENT + 1);

constexpr const char* ipc_names[] = {"AppendReady",
                                     "ArchiveCleanupCommand",
                                     "ArchiveCommand",
                                     "BackendTermination",
                                     "BackupWaitWalArchive",
                                     "BgWorkerShutdown",
                                     "BgWorkerStartup",
                                     "BtreePage",
                                     "BufferIO",
                                     "CheckpointDone",
                                     "CheckpointStart",
                                     "ExecuteGather",
                                     "HashBatchAllocate",
                                     "HashBatchElect",
                                     "HashBatchLoad",
                                     "HashBuildAllocate",
                                     "HashBuildElect",
                                     "HashBuildHashInner",
                                     "HashBuildHashOuter",
                                     "HashGrowBatchesAllocate",
                                     "HashGrowBatchesDecide",
                                     "HashGrowBatchesElect",
                                     "HashGrowBatchesFinish",
                                     "HashGrowBatchesRepartition",
                                     "HashGrowBucketsAllocate",
                                     "HashGrowBucketsElect",
                                     "HashGrowBucketsReinsert",
                                     "LogicalSyncData",
                                     "LogicalSyncStateChange",
                                     "MessageQueueInternal",
                                     "MessageQueuePutMessage",
                                     "MessageQueueReceive",
                                     "MessageQueueSend",
                                     "ParallelBitmapScan",
                                     "ParallelCreateIndexScan",
                                     "ParallelFinish",
                                     "ProcArrayGroupUpdate",
                                     "ProcSignalBarrier",
                                     "Promote",
                                     "RecoveryConflictSnapshot",
                                     "RecoveryConflictTablespace",
                                     "RecoveryEndCommand",
                                     "RecoveryPause",
                                     "ReplicationOriginDrop",
                                     "ReplicationSlotDrop",
                                     "RestoreCommand",
                                     "SafeSnapshot",
                                     "SyncRep",
                                     "WalReceiverExit",
                                     "WalReceiverWaitStart",
                                     "XactGroupUpdate",
                                     "WalReceiverUpstreamCatchup"};
static_assert(lengthof(ipc_names) == WAIT_EVENT_WAL_RECEIVER_UPSTREAM_CATCHUP - PG_WAIT_IPC + 1);

constexpr const char* timeout_names[] = {"BaseBackupThrottle",
                                         "CheckpointWriteDelay",
                                         "PgSleep",
                                         "RecoveryApplyDelay",
                                         "RecoveryRetrieveRetryInterval",
                                         "RegisterSyncRequest",
                                         "VacuumDelay",
                                         "VacuumTruncate"};
static_assert(lengthof(timeout_names) == WAIT_EVENT_VACUUM_TRUNCATE - PG_WAIT_TIMEOUT + 1);

constexpr const char* io_names[] = {"BaseBackupRead",
                                    "BaseBackupSync",
                                    "BaseBackupWrite",
                                    "BufFileRead",
                                    "BufFileWrite",
                                    "BufFileTruncate",
                                    "ControlFileRead",
                                    "ControlFileSync",
                                    "ControlFileSyncUpdate",
                                    "ControlFileWrite",
                                    "ControlFileWriteUpdate",
                                    "CopyFileRead",
                                    "CopyFileWrite",
                                    "DataFileExtend",
                                    "DataFileFlush",
                                    "DataFileImmediateSync",
                                    "DataFilePrefetch",
                                    "DataFileRead",
                                    "DataFileSync",
                                    "DataFileTruncate",
                                    "DataFileWrite",
                                    "DSMFillZeroWrite",
                                    "LockFileAddToDataDirRead",
                                    "LockFileAddToDataDirSync",
                                    "LockFileAddToDataDirWrite",
                                    "LockFileCreateRead",
                                    "LockFileCreateSync",
                                    "LockFileCreateWrite",
                                    "LockFileReCheckDataDirRead",
                                    "LogicalRewriteCheckpointSync",
                                    "LogicalRewriteMappingSync",
                                    "LogicalRewriteMappingWrite",
                                    "LogicalRewriteSync",
                                    "LogicalRewriteTruncate",
                                    "LogicalRewriteWrite",
                                    "RelationMapRead",
                                    "RelationMapSync",
                                    "RelationMapWrite",
                                    "ReorderBufferRead",
                                    "ReorderBufferWrite",
                                    "ReorderLogicalMappingRead",
                                    "ReplicationSlotRead",
                                    "ReplicationSlotRestoreSync",
                                    "ReplicationSlotSync",
                                    "ReplicationSlotWrite",
                                    "SLRUFlushSync",
                                    "SLRURead",
                                    "SLRUSync",
                                    "SLRUWrite",
                                    "SnapbuildRead",
                                    "SnapbuildSync",
                                    "SnapbuildWrite",
                                    "TimelineHistoryFileSync",
                                    "TimelineHistoryFileWrite",
                                    "TimelineHistoryRead",
                                    "TimelineHistorySync",
                                    "TimelineHistoryWrite",
                                    "TwophaseFileRead",
                                    "TwophaseFileSync",
                                    "TwophaseFileWrite",
                                    "VersionFileWrite",
                                    "WALSenderTimelineHistoryRead",
                                    "WALBootstrapSync",
                                    "WALBootstrapWrite",
                                    "WALCopyRead",
                                    "WALCopySync",
                                    "WALCopyWrite",
                                    "WALInitSync",
                                    "WALInitWrite",
                                    "WALRead",
                                    "WALSync",
                                    "WALSyncMethodAssign",
                                    "WALWrite",
                                    "VersionFileSync"};
static_assert(lengthof(io_names) == WAIT_EVENT_VERSION_FILE_SYNC - PG_WAIT_IO + 1);

// In the order of LockTagType.
constexpr const char* lock_names[] = {"relation", "extend",        "frozenid",   "page",
                                      "tuple",    "transactionid", "virtualxid", "spectoken",
                                      "object",   "userlock",      "advisory"};
static_assert(lengthof(lock_names) == LOCKTAG_LAST_TYPE + 1);

template <int count>
const char* name_in(const char* const (&names)[count], uint32 number, const char* otherwise) {
  return number < static_cast<uint32>(count) ? names[number] : otherwise;
}

constexpr uint32 class_bits = 0xFF000000U;
constexpr uint32 event_bits = 0x0000FFFFU;

// Where the wait is reported while the process has no PGPROC.
uint32 local_wait_event_info = 0;

}  // namespace

extern "C" {

BGW_START_DATA uint32* my_wait_event_info = &local_wait_event_info;

void pgstat_set_wait_event_storage(uint32* wait_event_info) {
  my_wait_event_info = wait_event_info;
}

void pgstat_reset_wait_event_storage(void) {
  my_wait_event_info = &local_wait_event_info;
}

// Null when the process does not wait.
const char* pgstat_get_wait_event_type(uint32 wait_event_info) {
  if (wait_event_info == 0) return nullptr;
  switch (wait_event_info & class_bits) {
    case PG_WAIT_LWLOCK:
      return "LWLock";
    case PG_WAIT_LOCK:
      return "Lock";
    case PG_WAIT_BUFFER_PIN:
      return "BufferPin";
    case PG_WAIT_ACTIVITY:
      return "Activity";
    case PG_WAIT_CLIENT:
      return "Client";
    case PG_WAIT_EXTENSION:
      return "Extension";
    case PG_WAIT_IPC:
      return "IPC";
    case PG_WAIT_TIMEOUT:
      return "Timeout";
    case PG_WAIT_IO:
      return "IO";
    case bgw::wait_event_upstream:
      return "Upstream";
    default:
      return "???";
  }
}

const char* pgstat_get_wait_event(uint32 wait_event_info) {
  constexpr const char* unknown = "unknown wait event";
  if (wait_event_info == 0) return nullptr;
  const uint32 wait_class = wait_event_info & class_bits;
  const uint32 number = wait_event_info & event_bits;
  switch (wait_class) {
    case PG_WAIT_LWLOCK:
      return GetLWLockIdentifier(wait_class, static_cast<uint16>(number));
    case PG_WAIT_LOCK:
      return name_in(lock_names, number, "???");
    case PG_WAIT_BUFFER_PIN:
      return "BufferPin";
    case PG_WAIT_ACTIVITY:
      return name_in(activity_names, number, unknown);
    case PG_WAIT_CLIENT:
      return name_in(client_names, number, unknown);
    case PG_WAIT_EXTENSION:
      return "Extension";
    case PG_WAIT_IPC:
      return name_in(ipc_names, number, unknown);
    case PG_WAIT_TIMEOUT:
      return name_in(timeout_names, number, unknown);
    case PG_WAIT_IO:
      return name_in(io_names, number, unknown);
    case bgw::wait_event_upstream:
      return "Answer";
    default:
      return unknown;
  }
}

}  // extern "C"
