// LISTEN, UNLISTEN and NOTIFY from C. They run on the session, in the worker's transaction, and take effect at
// its end, as in the server. Notifications that arrive set MyLatch while the worker waits for it, and
// notifyInterruptPending; ProcessNotifyInterrupt() hands them, as the server's does, to whoever PqCommMethods
// says.
#include "core/session.hpp"

extern "C" {
#include "postgres.h"
#include "access/xact.h"
#include "catalog/pg_type_d.h"
#include "commands/async.h"
#include "lib/stringinfo.h"
// libpq.h would pull in the headers of GSSAPI and OpenSSL for fields that nobody touches here.
#pragma push_macro("ENABLE_GSS")
#pragma push_macro("USE_OPENSSL")
#undef ENABLE_GSS
#undef USE_OPENSSL
#include "libpq/libpq.h"
#pragma pop_macro("USE_OPENSSL")
#pragma pop_macro("ENABLE_GSS")
#include "port/pg_bswap.h"
#include "tcop/dest.h"
#include "tcop/tcopprot.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
}

#include "bridge/worker_session.hpp"

namespace {

constexpr Size longest_payload = BLCKSZ - NAMEDATALEN - 128;

void run(const char* text, int nargs, const Oid* types, const char* const* values) {
  MemoryContext outside = CurrentMemoryContext;
  MemoryContext scratch = AllocSetContextCreateInternal(outside, "notification", ALLOCSET_SMALL_SIZES);
  MemoryContextSwitchTo(scratch);
  BgwRun statement = {};
  statement.text = text;
  statement.nargs = nargs;
  statement.argtypes = types;
  statement.values = values;
  (void)bgw_session_run(&statement, nullptr);
  MemoryContextSwitchTo(outside);
  MemoryContextDelete(scratch);
}

}  // namespace

extern "C" {

bool Trace_notify = false;
volatile sig_atomic_t notifyInterruptPending = false;

void Async_Notify(const char* channel, const char* payload) {
  Size channel_length = channel ? strlen(channel) : 0;
  Size payload_length = payload ? strlen(payload) : 0;
  if (channel_length == 0)
    ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("channel name cannot be empty")));
  if (channel_length >= NAMEDATALEN)
    ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("channel name too long")));
  if (payload_length >= longest_payload)
    ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("payload string too long")));
  const char* values[2] = {channel, payload ? payload : ""};
  Oid types[2] = {TEXTOID, TEXTOID};
  run("SELECT pg_catalog.pg_notify($1, $2)", 2, types, values);
}

void Async_Listen(const char* channel) {
  run(psprintf("LISTEN %s", quote_identifier(channel)), 0, nullptr, nullptr);
  bgw_session_keep_notifications();
}

void Async_Unlisten(const char* channel) {
  run(psprintf("UNLISTEN %s", quote_identifier(channel)), 0, nullptr, nullptr);
}

void Async_UnlistenAll(void) {
  run("UNLISTEN *", 0, nullptr, nullptr);
}

void HandleNotifyInterrupt(void) {}

void ProcessNotifyInterrupt(bool flush) {
  if (IsTransactionOrTransactionBlock()) return;
  notifyInterruptPending = false;
  char* channel;
  char* payload;
  int sender;
  while (bgw_session_next_notification(&channel, &payload, &sender)) {
    NotifyMyFrontEnd(channel, payload, sender);
    pfree(channel);
  }
  if (flush && whereToSendOutput == DestRemote && PqCommMethods) (void)PqCommMethods->flush();
}

// The message of the protocol: the sender's process id in network order, channel and payload, both terminated.
void NotifyMyFrontEnd(const char* channel, const char* payload, int32 srcPid) {
  if (whereToSendOutput != DestRemote || PqCommMethods == nullptr) {
    elog(INFO, "NOTIFY for \"%s\" payload \"%s\"", channel, payload);
    return;
  }
  StringInfoData message;
  initStringInfo(&message);
  const uint32 pid = pg_hton32(static_cast<uint32>(srcPid));
  appendBinaryStringInfo(&message, reinterpret_cast<const char*>(&pid), sizeof pid);
  appendBinaryStringInfo(&message, channel, static_cast<int>(strlen(channel)) + 1);
  appendBinaryStringInfo(&message, payload, static_cast<int>(strlen(payload)) + 1);
  (void)PqCommMethods->putmessage('A', message.data, static_cast<size_t>(message.len));
  pfree(message.data);
}

}  // extern "C"
