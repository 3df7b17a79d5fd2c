/*
 * What the type cache and row descriptors say of types, built-in and the user's own.
 */
#include "postgres.h"

#include "probe_values.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "funcapi.h"
#include "nodes/value.h"
#include "utils/typcache.h"

static void
cached_type(Oid type, const char *name)
{
	TypeCacheEntry *entry = lookup_type_cache(type, TYPECACHE_EQ_OPR | TYPECACHE_LT_OPR | TYPECACHE_GT_OPR |
											  TYPECACHE_CMP_PROC | TYPECACHE_HASH_PROC | TYPECACHE_HASH_EXTENDED_PROC |
											  TYPECACHE_TUPDESC | TYPECACHE_BTREE_OPFAMILY | TYPECACHE_HASH_OPFAMILY |
											  TYPECACHE_RANGE_INFO | TYPECACHE_MULTIRANGE_INFO | TYPECACHE_DOMAIN_BASE_INFO);

	SAY("%s: %d %d %c %c %c relation %d element %u subscript %u collation %u btree %u %u hash %u %u eq %u lt %u gt %u cmp %u"
		" hash %u %u columns %d range %u %u %u multirange %u domain %u", name, entry->typlen, entry->typbyval, entry->typalign,
		entry->typstorage, entry->typtype, OidIsValid(entry->typrelid), entry->typelem, entry->typsubscript,
		entry->typcollation, entry->btree_opf, entry->btree_opintype, entry->hash_opf, entry->hash_opintype, entry->eq_opr,
		entry->lt_opr, entry->gt_opr, entry->cmp_proc, entry->hash_proc, entry->hash_extended_proc,
		entry->tupDesc ? entry->tupDesc->natts : -1, entry->rngelemtype ? entry->rngelemtype->type_id : InvalidOid,
		entry->rng_collation, entry->rng_cmp_proc_finfo.fn_oid, entry->rngtype ? entry->rngtype->type_id : InvalidOid,
		entry->domainBaseType);
	if (entry != lookup_type_cache(type, 0))
		SAY("  %s DIFFERS", name);
	if (entry->tupDesc && (entry->tupDesc_identifier != assign_record_type_identifier(type, -1) ||
						   entry->tupDesc_identifier <= INVALID_TUPLEDESC_IDENTIFIER))
		SAY("  the identifier of %s DIFFERS", name);
}

void
do_type_cache(const char *argument)
{
	static const char *const ours[] = {"mood", "positive", "pair", "points", "mood[]", "pair[]", "points[]", "floatrange",
	"floatmultirange", "citext", "citext[]", "positive[]"};
	SPITupleTable *table;
	Oid			type;
	uint64		number;
	TypeCacheEntry *entry;

	begin();
	if (SPI_execute("SELECT oid, typname FROM pg_type WHERE oid < 10000 AND typtype IN ('b', 'r', 'm') AND oid NOT IN "
					"(SELECT typarray FROM pg_type WHERE typtype = 'c') ORDER BY oid", true, 0) != SPI_OK_SELECT)
		elog(ERROR, "no types");
	table = SPI_tuptable;
	for (uint64 row = 0; row < table->numvals; row++)
	{
		bool		isnull;

		cached_type(DatumGetObjectId(SPI_getbinval(table->vals[row], table->tupdesc, 1, &isnull)),
					SPI_getvalue(table->vals[row], table->tupdesc, 2));
	}
	outcome("types",
			SPI_execute("CREATE EXTENSION citext; CREATE TYPE mood AS ENUM ('a'); CREATE DOMAIN positive AS int CHECK (value > 0);"
						"CREATE TYPE pair AS (a int, m mood); CREATE TYPE points AS (p json, a int);"
						"CREATE TYPE floatrange AS RANGE (subtype = float8)", false, 0));
	for (int i = 0; i < lengthof(ours); i++)
		cached_type(type_named(ours[i]), ours[i]);
	/* Calling what it found. */
	entry = lookup_type_cache(INT4OID, TYPECACHE_CMP_PROC_FINFO | TYPECACHE_EQ_OPR_FINFO | TYPECACHE_HASH_PROC_FINFO);
	SAY("compared %d, equal %d, hash %08x", DatumGetInt32(FunctionCall2(&entry->cmp_proc_finfo, Int32GetDatum(3), Int32GetDatum(4))),
		DatumGetBool(FunctionCall2(&entry->eq_opr_finfo, Int32GetDatum(3), Int32GetDatum(3))),
		DatumGetUInt32(FunctionCall1(&entry->hash_proc_finfo, Int32GetDatum(3))));
	/* A row type that is altered has another descriptor, under another number. */
	type = type_named("pair");
	number = assign_record_type_identifier(type, -1);
	outcome("alter", SPI_execute("ALTER TYPE pair ADD ATTRIBUTE late text", false, 0));
	SAY("changed %d", number != assign_record_type_identifier(type, -1));
	cached_type(type, "pair");
	execute("DROP TYPE pair; DROP TYPE points; DROP DOMAIN positive; DROP TYPE mood; DROP TYPE floatrange;"
			"DROP EXTENSION citext", false, 0);
	commit();
}

/* --- row descriptors --- */

static void
describe(const char *what, TupleDesc desc)
{
	SAY("%s: %s, %d columns", what, desc == NULL ? "none" : desc->tdtypeid == RECORDOID ? "record" : "named",
		desc ? desc->natts : 0);
	for (int i = 0; desc && i < desc->natts; i++)
	{
		Form_pg_attribute attribute = TupleDescAttr(desc, i);

		SAY("  %s %s %d len %d byval %d align %c number %d", NameStr(attribute->attname), format_type_be(attribute->atttypid),
			attribute->atttypmod, attribute->attlen, attribute->attbyval, attribute->attalign, attribute->attnum);
	}
}

void
do_descriptors(const char *argument)
{
	begin();
	SPI_execute("CREATE TABLE stored (id int, label varchar(9), at date[]); CREATE TYPE pair AS (a int, b text)", false, 0);
	describe("relation", RelationNameGetTupleDesc("stored"));
	describe("catalog", RelationNameGetTupleDesc("pg_catalog.pg_am"));
	describe("type", TypeGetTupleDesc(type_named("pair"), NIL));
	describe("with aliases", TypeGetTupleDesc(type_named("pair"), list_make2(makeString("x"), makeString("y"))));
	describe("scalar", TypeGetTupleDesc(INT8ARRAYOID, list_make1(makeString("x"))));
	execute("DROP TABLE stored; DROP TYPE pair", false, 0);
	commit();
}
