// Signal dispositions and the process's standard signal masks.
//
// pqsignal() must be the server's: modules install their handlers with it, and libpq, which exports the same
// name, resolves its own calls to this one. Entered from ordinary code only; the masks are written once by the
// postmaster (pqinitmask) and by each child on its way up.
#include "port/start_data.hpp"

#include <csignal>
#include <initializer_list>

extern "C" {
#include "postgres.h"
#include "libpq/pqsignal.h"
}

namespace {

// Signals that report a fault of the code being executed, or that must always act.
constexpr int never_blocked[] = {SIGTRAP, SIGABRT, SIGILL, SIGFPE, SIGSEGV, SIGBUS, SIGSYS, SIGCONT};

pqsigfunc install(int signo, pqsigfunc func, const sigset_t* blocked_meanwhile) {
  struct sigaction wanted = {};
  struct sigaction before;
  wanted.sa_handler = func;
  if (blocked_meanwhile)
    wanted.sa_mask = *blocked_meanwhile;
  else
    sigemptyset(&wanted.sa_mask);
  wanted.sa_flags = SA_RESTART;
  if (signo == SIGCHLD) wanted.sa_flags |= SA_NOCLDSTOP;
  if (sigaction(signo, &wanted, &before) < 0) return SIG_ERR;
  return before.sa_handler;
}

}  // namespace

extern "C" {

BGW_START_DATA sigset_t UnBlockSig;
BGW_START_DATA sigset_t BlockSig;
sigset_t StartupBlockSig;

void pqinitmask(void) {
  sigemptyset(&UnBlockSig);
  sigfillset(&BlockSig);
  for (int signo : never_blocked) sigdelset(&BlockSig, signo);
  // While a client's start-up packet is awaited, the signals that end the wait stay open.
  StartupBlockSig = BlockSig;
  for (int signo : {SIGQUIT, SIGTERM, SIGALRM}) sigdelset(&StartupBlockSig, signo);
}

pqsigfunc pqsignal(int signo, pqsigfunc func) {
  return install(signo, func, nullptr);
}

// For the postmaster, whose handlers are not to be interrupted by one another.
pqsigfunc pqsignal_pm(int signo, pqsigfunc func) {
  return install(signo, func, &BlockSig);
}

}  // extern "C"
