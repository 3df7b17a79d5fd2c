// `bgworkerctl call`: running a module's SQL-callable C function in a backend.
#pragma once

namespace bgw {

// Carries out a request "call" and sends its rows and its reply. Raises whatever goes wrong.
void control_call();

}  // namespace bgw
