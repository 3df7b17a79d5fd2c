/*
 * What the parts of probe_values share.
 */
#ifndef PROBE_VALUES_H
#define PROBE_VALUES_H

#include "probe_common.h"
#include "probe_random.h"
#include "probe_sql.h"

#include "lib/stringinfo.h"
#include "utils/builtins.h"

/* Modules are loaded with global names: those of one module's parts are nobody else's. */
#pragma GCC visibility push(hidden)

/* --- draw.c --- */

/* Appends up to `most` pieces of text, among them all that is special anywhere. */
void		words(StringInfo to, int most);

/* A text as an SQL literal. */
char	   *quoted(const char *text);

/* An SQL expression: a value, or an array of some shape. */
char	   *expression(void);

/* --- generated.c --- */

/* A number that stands for all the bytes that mean something. */
uint32		fingerprint(Form_pg_attribute attribute, Datum value);

void		do_generated(const char *argument);
void		do_large(const char *argument);

/* --- own_types.c --- */

/* How the server sums up a value that it was sent. */
extern const char *sum_of_sent;

/* Fetches an expression's value, takes it apart and sends it back. */
void		own_value(const char *expression);

/* The OID of the type that regtype finds by this name. */
Oid			type_named(const char *name);

/* What a module gets that reads text of its own with the type's input function. */
void		read_text(const char *name, const char *literal);

void		do_own_types(const char *argument);
void		do_ranges(const char *argument);

/* --- the others --- */
void		do_type_cache(const char *argument);
void		do_descriptors(const char *argument);
void		do_aliases(const char *argument);
void		do_money(const char *argument);
void		do_access_rights(const char *argument);
void		do_own_changes(const char *argument);
void		do_records(const char *argument);

#pragma GCC visibility pop

#endif
