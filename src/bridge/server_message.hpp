// From the upstream's messages to ereport(). Include after postgres.h.
#pragma once

#include "core/server_message.hpp"

// A ServerMessage in palloc'd memory; texts are nullptr where not given. Has no destructor.
struct BgwMessage {
  int elevel;  // as the upstream's severity says
  int sqlstate;
  char *message, *detail, *hint, *context, *internal_query;
  char *schema_name, *table_name, *column_name, *datatype_name, *constraint_name;
  int position, internal_position;
};

// Copies into the current memory context. Does not raise: a text that finds no memory is left out.
BgwMessage bgw_keep_message(const bgw::ServerMessage& message) noexcept;

// Reports it with all its fields. `position_offset` is added to a position.
void bgw_report_message(int elevel, const BgwMessage* message, int position_offset);
