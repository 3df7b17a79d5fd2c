// One value out of the upstream's catalogs, for the functions that look names and OIDs up. Include after
// postgres.h.
#pragma once

// The first column of the first row, palloc'd in the current context; nullptr if there is no row or it is
// NULL. `what` names the look-up for the ERROR that is raised when the worker has no session.
char* bgw_catalog_text(const char* what, const char* query, int nargs, const Oid* types,
                       const char* const* values);
Oid bgw_catalog_oid(const char* what, const char* query, int nargs, const Oid* types,
                    const char* const* values);

// The same of what all databases of the cluster share, so that a worker without a database can ask, too, in a
// transaction.
char* bgw_shared_catalog_text(const char* what, const char* query, int nargs, const Oid* types,
                              const char* const* values);

// The same as bgw_catalog_text for a single argument: a name or an OID.
char* bgw_catalog_text_by_oid(const char* what, const char* query, Oid key);
Oid bgw_catalog_oid_by_name(const char* what, const char* query, const char* key);

// What has been looked up may not hold any more: called where a transaction or subtransaction ends, and before a
// statement that may change something.
void bgw_forget_lookups() noexcept;

// A number that rises whenever bgw_forget_lookups() is called, for those who keep answers of their own.
unsigned long bgw_lookups_generation() noexcept;
