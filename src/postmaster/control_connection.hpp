// The connection that a backend serves: the request being carried out, and what is sent to the client.
//
// Code of the backend is C style, because what it calls may raise; what C++ objects a request needs live here,
// in static storage. Every function is noexcept and none raises, but control_read_request().
#pragma once

#include <nlohmann/json.hpp>

#include "core/control_protocol.hpp"

namespace bgw {

// Takes over the connection: checks who the peer is and installs what notices its leaving. False: it was
// refused, and told why.
bool control_open(int connection_fd) noexcept;

// Waits for the next request, with signals acted on while it waits. False: the peer has left, or was told why
// it cannot be understood. Raises FATAL when the process is to end.
bool control_read_request();

// While a request is carried out, the peer's leaving is an interrupt: ClientConnectionLost.
void control_begin_work() noexcept;
void control_end_work() noexcept;

// The request. Pointers are good until the next one is read; nullptr: not given, or of another type.
const char* control_op() noexcept;
const char* control_text(const char* name) noexcept;
bool control_flag(const char* name) noexcept;
long long control_number(const char* name, long long otherwise) noexcept;
// A list of texts and nulls.
int control_list_length(const char* name) noexcept;
const char* control_list_text(const char* name, int index) noexcept;

// One line to the client. A peer that is gone is ClientConnectionLost.
void control_send(const nlohmann::json& line) noexcept;

// An interim line for a person who waits: {"progress": {"what": …, name: value}}.
void control_send_progress(const char* what, const char* name, const char* value) noexcept;

}  // namespace bgw
