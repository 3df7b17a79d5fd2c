/*
 * Generated and very large values: fetched, looked at in every way, and sent back.
 */
#include "postgres.h"

#include "probe_values.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"

/* Every byte counts, and where it stands; eight at a time, since some values are very large. */
static uint32
hash_bytes_of(const void *bytes, Size size)
{
	uint64		hash = UINT64CONST(14695981039346656037) ^ size;
	uint64		word;
	const char *at = bytes;

	for (; size >= sizeof(word); at += sizeof(word), size -= sizeof(word))
	{
		memcpy(&word, at, sizeof(word));
		hash = (hash ^ word) * UINT64CONST(1099511628211);
		hash ^= hash >> 32;
	}
	word = 0;
	memcpy(&word, at, size);
	hash = (hash ^ word) * UINT64CONST(1099511628211);
	return (uint32) (hash ^ (hash >> 32));
}

/* A number that stands for all the bytes that mean something. */
uint32
fingerprint(Form_pg_attribute attribute, Datum value)
{
	if (attribute->attbyval)
	{
		/* what is beyond the type's own width in the word means nothing */
		uint64		word = attribute->attlen == 1 ? (uint8) value : attribute->attlen == 2 ? (uint16) value :
			attribute->attlen == 4 ? (uint32) value : (uint64) value;

		return hash_bytes_of(&word, sizeof(word));
	}
	if (attribute->attlen == -1)
	{
		struct varlena *plain = PG_DETOAST_DATUM(value);

		return hash_bytes_of(plain, VARSIZE(plain));
	}
	if (attribute->attlen == -2)
		return hash_bytes_of(DatumGetCString(value), strlen(DatumGetCString(value)));
	return hash_bytes_of(DatumGetPointer(value), attribute->attlen);
}

/* One row of generated values, and each of them back as a parameter. */
static void
one_row(int row)
{
	StringInfoData query;
	int			columns = 1 + below(9);
	SPITupleTable *table;
	bool		nulls[10];
	Datum		values[10];

	initStringInfo(&query);
	for (int i = 0; i < columns; i++)
		appendStringInfo(&query, "%s %s AS c%d", i ? "," : "SELECT", expression(), i);
	if (below(2))
		appendStringInfoString(&query, ", NULL::int8");
	if (SPI_execute(query.data, true, 0) != SPI_OK_SELECT || SPI_processed != 1)
		elog(ERROR, "no row: %s", query.data);
	table = SPI_tuptable;
	heap_deform_tuple(table->vals[0], table->tupdesc, values, nulls);
	SAY("row %d: %d columns, size %u, null bitmap %d, variable %d", row, table->tupdesc->natts, table->vals[0]->t_len,
		HeapTupleHasNulls(table->vals[0]), HeapTupleHasVarWidth(table->vals[0]));
	for (int i = 0; i < table->tupdesc->natts; i++)
	{
		Form_pg_attribute attribute = TupleDescAttr(table->tupdesc, i);
		bool		isnull,
					isnull2;
		Datum		value = SPI_getbinval(table->vals[0], table->tupdesc, i + 1, &isnull);
		Datum		through_tuple = heap_getattr(table->vals[0], i + 1, table->tupdesc, &isnull2);
		char	   *text = SPI_getvalue(table->vals[0], table->tupdesc, i + 1);
		char	   *back;

		if (isnull || isnull2 || nulls[i])
		{
			SAY("  %d null %d%d%d", i, isnull, isnull2, nulls[i]);
			continue;
		}
		SAY("  %d %s len %d typmod %d %.70s (%zu) %08x%s", i, SPI_gettype(table->tupdesc, i + 1), attribute->attlen,
			attribute->atttypmod, text, strlen(text), fingerprint(attribute, value),
			fingerprint(attribute, value) == fingerprint(attribute, through_tuple) &&
			fingerprint(attribute, value) == fingerprint(attribute, values[i]) ? "" : " DIFFERS IN THE TUPLE");
		if (SPI_execute_with_args("SELECT $1 AS back", 1, &attribute->atttypid, &value, NULL, true, 0) != SPI_OK_SELECT)
			elog(ERROR, "no answer");
		back = SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1);
		if (strcmp(back, text) != 0 ||
			fingerprint(attribute, SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull)) !=
			fingerprint(attribute, value))
			SAY("  %d came back as %s", i, back);
		SPI_freetuptable(SPI_tuptable);
	}
	SPI_freetuptable(table);
}

void
do_generated(const char *argument)
{
	char	   *rest;
	int			rows = 150;

	state = strtoul(argument ? argument : "1", &rest, 10);
	if (*rest == '/')
		rows = atoi(rest + 1);
	begin();
	for (int i = 0; i < rows; i++)
		one_row(i);
	commit();
}

/* Very large values, both ways. */
void
do_large(const char *argument)
{
	static const char *const queries[] = {
		/* Of rows, so that the planner does not make a constant of each and copy it time and again. */
		"SELECT repeat('0123456789abcdef', 4 * 1024 * 1024 * g) FROM generate_series(1, 1) g",
		"SELECT string_agg(decode(repeat('00ff10fe', 64 * 1024), 'hex'), ''::bytea) FROM generate_series(1, 256)",
		"SELECT array_agg(g) FROM generate_series(1, 1000000) g", "SELECT repeat('9', 100000)::numeric",
		"SELECT jsonb_agg(g) FROM generate_series(1, 200000) g", "SELECT ''::text", "SELECT '\\x'::bytea",
	};

	begin();
	for (int i = 0; i < lengthof(queries); i++)
	{
		bool		isnull;
		Datum		value;
		Form_pg_attribute attribute;
		SPITupleTable *table;
		char	   *text;

		if (SPI_execute(queries[i], true, 0) != SPI_OK_SELECT)
			elog(ERROR, "no value");
		table = SPI_tuptable;
		attribute = TupleDescAttr(table->tupdesc, 0);
		value = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull);
		text = SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1);
		SAY("%s: %zu characters, bytes %08x, text %08x", queries[i], strlen(text), fingerprint(attribute, value),
			hash_bytes_of(text, strlen(text)));
		/* Of bytes as they are: their text is twice as long, and has been looked at. */
		outcome("back", SPI_execute_with_args(attribute->atttypid == BYTEAOID ?
											  "SELECT md5($1) AS sum" : "SELECT md5($1::text) AS sum", 1,
											  &attribute->atttypid, &value, NULL, true, 0));
		SPI_freetuptable(SPI_tuptable);
		pfree(text);
		SPI_freetuptable(table);
	}
	commit();
}
