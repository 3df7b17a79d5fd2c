// libpq, loaded when it is first needed. Include this instead of <libpq-fe.h>.
//
// libpq brings some thirty libraries into a process (Kerberos, LDAP, TLS, …). Every fork copies their mappings
// and every exit takes them down: with them a fork, an exit and a wait cost two and a half times as much as
// without. A worker that asked for no database has no use for them, so the program is not linked with libpq.
// The fork server that makes the processes of workers with a database loads it once, and they share the copy; any
// other process loads it when it calls one of the functions below.
//
// Inside namespace bgw the names below hide libpq's own functions; the types come from libpq's header, so a
// call is checked as if it were direct.
#pragma once

#include <libpq-fe.h>

#include "core/libpq_library.hpp"

namespace bgw {

template <typename Signature>
class LibpqFunction;

template <typename Result, typename... Arguments>
class LibpqFunction<Result(Arguments...)> {
 public:
  using Pointer = Result (*)(Arguments...);

  operator Pointer() const {
    if (address_ == nullptr) [[unlikely]]
      load_libpq();
    return address_;
  }
  Result operator()(Arguments... arguments) const { return static_cast<Pointer>(*this)(arguments...); }

 private:
  friend void load_libpq() noexcept;
  Pointer address_ = nullptr;
};

#define BGW_LIBPQ_FUNCTIONS(FUNCTION) \
  FUNCTION(PQbinaryTuples)            \
  FUNCTION(PQcancel)                  \
  FUNCTION(PQclear)                   \
  FUNCTION(PQcmdStatus)               \
  FUNCTION(PQcmdTuples)               \
  FUNCTION(PQconnectPoll)             \
  FUNCTION(PQconnectStartParams)      \
  FUNCTION(PQconninfoFree)            \
  FUNCTION(PQconninfoParse)           \
  FUNCTION(PQconsumeInput)            \
  FUNCTION(PQdb)                      \
  FUNCTION(PQenterPipelineMode)       \
  FUNCTION(PQerrorMessage)            \
  FUNCTION(PQfinish)                  \
  FUNCTION(PQflush)                   \
  FUNCTION(PQfmod)                    \
  FUNCTION(PQfname)                   \
  FUNCTION(PQfreeCancel)              \
  FUNCTION(PQfreemem)                 \
  FUNCTION(PQfsize)                   \
  FUNCTION(PQftable)                  \
  FUNCTION(PQftablecol)               \
  FUNCTION(PQftype)                   \
  FUNCTION(PQgetCancel)               \
  FUNCTION(PQgetisnull)               \
  FUNCTION(PQgetlength)               \
  FUNCTION(PQgetResult)               \
  FUNCTION(PQgetvalue)                \
  FUNCTION(PQisBusy)                  \
  FUNCTION(PQnfields)                 \
  FUNCTION(PQnotifies)                \
  FUNCTION(PQntuples)                 \
  FUNCTION(PQparameterStatus)         \
  FUNCTION(PQpipelineSync)            \
  FUNCTION(PQresultErrorField)        \
  FUNCTION(PQresultErrorMessage)      \
  FUNCTION(PQresultStatus)            \
  FUNCTION(PQsendDescribePrepared)    \
  FUNCTION(PQsendPrepare)             \
  FUNCTION(PQsendQuery)               \
  FUNCTION(PQsendQueryParams)         \
  FUNCTION(PQsendQueryPrepared)       \
  FUNCTION(PQserverVersion)           \
  FUNCTION(PQsetErrorVerbosity)       \
  FUNCTION(PQsetNoticeReceiver)       \
  FUNCTION(PQsetnonblocking)          \
  FUNCTION(PQsocket)                  \
  FUNCTION(PQstatus)                  \
  FUNCTION(PQtransactionStatus)       \
  FUNCTION(PQuser)

#define BGW_DECLARE_LIBPQ_FUNCTION(name) inline LibpqFunction<decltype(::name)> name;
BGW_LIBPQ_FUNCTIONS(BGW_DECLARE_LIBPQ_FUNCTION)
#undef BGW_DECLARE_LIBPQ_FUNCTION

}  // namespace bgw
