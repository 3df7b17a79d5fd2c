/*
 * probe_tools: the property that what modules use to look at types, build rows and arrays, and follow transactions and
 * portals answers in the host as in the server. The argument of each action is SEED.
 */
#include "postgres.h"

#include "probe_common.h"
#include "probe_random.h"
#include "probe_result.h"

#include <limits.h>

#include "access/htup_details.h"
#include "access/tupdesc.h"
#include "access/xact.h"
#include "catalog/pg_collation.h"
#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "funcapi.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "parser/parse_type.h"
#include "port.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/datetime.h"
#include "utils/datum.h"
#include "utils/fmgroids.h"
#include "utils/guc.h"
#include "utils/inet.h"
#include "utils/jsonb.h"
#include "utils/lsyscache.h"
#include "utils/portal.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"
#include "utils/typcache.h"

PG_MODULE_MAGIC;

void		_PG_init(void);
PGDLLEXPORT void probe_tools_main(Datum main_arg);

/* ---- types */

static char *
io_of(Oid type, int which)
{
	Oid			function;
	Oid			parameter = InvalidOid;
	bool		varlena = false;

	if (which == 0)
		getTypeInputInfo(type, &function, &parameter);
	else if (which == 1)
		getTypeOutputInfo(type, &function, &varlena);
	else if (which == 2)
		getTypeBinaryInputInfo(type, &function, &parameter);
	else
		getTypeBinaryOutputInfo(type, &function, &varlena);
	return psprintf("%u %u %d", function, parameter, varlena);
}

static void
say_type(Oid type)
{
	int16		length;
	bool		by_value;
	char		align;
	char		delimiter;
	Oid			parameter;
	Oid			function;
	int32		typmod = (int32) (draw() % 40) - 1;
	bits16		flags = (bits16) below(16);

	RESULT("format", "%u %s", type, format_type_extended(type, typmod, flags));
	RESULT("names", "%s %s", format_type_be_qualified(type), format_type_with_typemod(type, typmod));
	if (!get_typisdefined(type))
		return;
	get_typlenbyval(type, &length, &by_value);
	SAY("length %d %d %d %d %c%c", length, by_value, get_typlen(type), get_typbyval(type), get_typstorage(type), get_typtype(type));
	SAY("of %u: array %u element %u base %u promoted %u relation %u modin %d collation %u", type, get_array_type(type),
		get_element_type(type), get_base_element_type(type), get_promoted_array_type(type), get_typ_typrelid(type),
		get_typmodin(type) != InvalidOid, get_typcollation(type));
	SAY("is %d %d %d %d %d %d", type_is_rowtype(type), type_is_enum(type), type_is_range(type), type_is_multirange(type),
		type_is_collatable(type), get_range_subtype(type) != InvalidOid);
	SAY("range %u %u %u %u", get_range_subtype(type), get_range_collation(type), get_range_multirange(type),
		get_multirange_range(type));
	for (int which = 0; which < 4; which++)
	{
		get_type_io_data(type, (IOFuncSelector) which, &length, &by_value, &align, &delimiter, &parameter, &function);
		SAY("io %d: %d %d %c %c %u %u", which, length, by_value, align, delimiter, parameter, function);
	}
	RESULT("input", "%s", io_of(type, 0));
	RESULT("output", "%s", io_of(type, 1));
	RESULT("receive", "%s", io_of(type, 2));
	RESULT("send", "%s", io_of(type, 3));
	typmod = 5;
	function = getBaseTypeAndTypmod(type, &typmod);
	SAY("base: %u %d", function, typmod);
}

static void
do_types(const char *argument)
{
	state = strtoull(argument, NULL, 10);
	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());
	SPI_connect();
	SPI_execute("SELECT t.oid FROM pg_type t LEFT JOIN pg_type e ON e.oid = t.typelem "
				"WHERE t.oid < 10000 AND 'c' NOT IN (t.typtype, coalesce(e.typtype, 'b')) ORDER BY t.oid", true, 0);
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		bool		isnull;

		say_type(DatumGetObjectId(SPI_getbinval(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 1, &isnull)));
	}
	SPI_finish();
	for (Oid type = 0; type < 3; type++)
		say_type(type == 2 ? 99999999 : type);
	PopActiveSnapshot();
	CommitTransactionCommand();
	SAY("done");
}

/* ---- rows */

static const Oid column_types[] = {INT2OID, INT4OID, INT8OID, BOOLOID, CHAROID, TEXTOID, VARCHAROID, NAMEOID, FLOAT8OID,
	NUMERICOID, TIMESTAMPTZOID, INTERVALOID, UUIDOID, BYTEAOID, POINTOID, TIMETZOID, INT4ARRAYOID, FLOAT4OID};

static Datum
draw_value(Oid type)
{
	Oid			input;
	Oid			parameter;
	const char *text;

	switch (type)
	{
		case INT2OID:
			return Int16GetDatum((int16) draw());
		case INT4OID:
			return Int32GetDatum((int32) draw());
		case INT8OID:
			return Int64GetDatum((int64) draw());
		case BOOLOID:
			return BoolGetDatum(below(2));
		case CHAROID:
			return CharGetDatum('a' + below(26));
		case TEXTOID:
		case VARCHAROID:
			text = psprintf("%.*s", below(300), "a text that is longer than what a short header can tell of, because some of "
							"what is stored in rows is, and it matters where the values after it begin in the row, and how it is "
							"counted, so it goes on for a while until there are more than a hundred and twenty-six bytes, and yet more");
			break;
		case NAMEOID:
			text = psprintf("name %d", below(1000));
			break;
		case FLOAT4OID:
		case FLOAT8OID:
			text = psprintf("%d.%d", below(100000), below(1000));
			break;
		case NUMERICOID:
			text = psprintf("%d.%de%d", below(100000), below(1000), below(60) - 30);
			break;
		case TIMESTAMPTZOID:
			text = psprintf("20%02d-0%d-1%d 0%d:00:00+00", below(100), 1 + below(9), below(10), below(10));
			break;
		case TIMETZOID:
			text = psprintf("1%d:00:00+0%d", below(10), below(10));
			break;
		case INTERVALOID:
			text = psprintf("%d days %d seconds", below(1000), below(1000));
			break;
		case UUIDOID:
			text = psprintf("%08x-0000-4000-8000-%012x", (unsigned) draw(), (unsigned) draw());
			break;
		case BYTEAOID:
			text = psprintf("\\x%08x", (unsigned) draw());
			break;
		case POINTOID:
			text = psprintf("(%d,%d)", below(100), below(100));
			break;
		default:
			text = psprintf("{%d,NULL,%d}", below(100), below(100));
	}
	getTypeInputInfo(type, &input, &parameter);
	return OidInputFunctionCall(input, (char *) text, parameter, -1);
}

static char *
show(Oid type, Datum value, bool isnull)
{
	Oid			output;
	bool		varlena;

	if (isnull)
		return "null";
	getTypeOutputInfo(type, &output, &varlena);
	return OidOutputFunctionCall(output, value);
}

static char *
show_row(TupleDesc desc, HeapTuple tuple)
{
	StringInfoData text;

	initStringInfo(&text);
	for (int i = 0; i < desc->natts; i++)
	{
		bool		isnull;
		Datum		value = heap_getattr(tuple, i + 1, desc, &isnull);

		appendStringInfo(&text, "%s%s", i > 0 ? "," : "", show(TupleDescAttr(desc, i)->atttypid, value, isnull));
	}
	return text.data;
}

static uint32
crc_of(const void *data, Size size)
{
	return DatumGetUInt32(hash_any((const unsigned char *) data, (int) size));
}

static void
say_desc(const char *what, TupleDesc desc)
{
	SAY("%s: %d columns, type %u %d, counted %d, constraints %d, hash %u", what, desc->natts, desc->tdtypeid, desc->tdtypmod,
		desc->tdrefcount, desc->constr != NULL, hashTupleDesc(desc));
	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute att = TupleDescAttr(desc, i);

		SAY("  %s %u len %d num %d dims %d cache %d mod %d %d%c%c%c null %d def %d miss %d %c%c dropped %d local %d inherits %d "
			"collation %u stat %d", NameStr(att->attname), att->atttypid, att->attlen, att->attnum, att->attndims, att->attcacheoff,
			att->atttypmod, att->attbyval, att->attalign, att->attstorage, att->attcompression ? att->attcompression : '-',
			att->attnotnull, att->atthasdef, att->atthasmissing, att->attidentity ? att->attidentity : '-',
			att->attgenerated ? att->attgenerated : '-', att->attisdropped, att->attislocal, att->attinhcount, att->attcollation,
			att->attstattarget);
	}
}

static void
do_tuples(const char *argument)
{
	state = strtoull(argument, NULL, 10);
	StartTransactionCommand();
	for (int round = 0; round < 40; round++)
	{
		int			natts = 1 + below(12);
		TupleDesc	desc = CreateTemplateTupleDesc(natts);
		TupleDesc	other;
		TupleDesc	third;
		Datum		values[12];
		Datum		back[12];
		bool		nulls[12];
		bool		back_nulls[12];
		bool		replace[12];
		Datum		columns[12];
		bool		column_nulls[12];
		HeapTuple	tuple;
		HeapTuple	changed;
		MinimalTuple minimal;
		int			numbers[12];
		int			some;

		for (int i = 0; i < natts; i++)
		{
			Oid			type = column_types[below(lengthof(column_types))];

			TupleDescInitEntry(desc, (AttrNumber) (i + 1), psprintf("c%d", i), type, type == VARCHAROID ? 104 : -1, below(2));
			if (below(5) == 0)
				TupleDescInitEntryCollation(desc, (AttrNumber) (i + 1), C_COLLATION_OID);
			values[i] = draw_value(type);
			nulls[i] = below(4) == 0;
			replace[i] = below(2);
		}
		say_desc("desc", desc);
		other = CreateTupleDescCopy(desc);
		SAY("equal %d", equalTupleDescs(desc, other));
		third = CreateTupleDescCopyConstr(desc);
		TupleDescAttr(third, below(natts))->attnotnull = true;
		SAY("equal %d", equalTupleDescs(desc, third));
		say_desc("copy", CreateTupleDescCopy(third));
		say_desc("copy with constraints", CreateTupleDescCopyConstr(third));
		TupleDescCopy(other, third);
		say_desc("copied over", other);
		TupleDescCopyEntry(other, 1, third, (AttrNumber) (1 + below(natts)));
		say_desc("entry copied", other);
		say_desc("from attributes", CreateTupleDesc(natts, (Form_pg_attribute[]) {TupleDescAttr(desc, 0), TupleDescAttr(desc, natts / 2),
				 TupleDescAttr(desc, 1 % natts), TupleDescAttr(desc, 0), TupleDescAttr(desc, 0), TupleDescAttr(desc, 0), TupleDescAttr(desc, 0),
				 TupleDescAttr(desc, 0), TupleDescAttr(desc, 0), TupleDescAttr(desc, 0), TupleDescAttr(desc, 0), TupleDescAttr(desc, 0)}));

		tuple = heap_form_tuple(desc, values, nulls);
		SAY("tuple: %u bytes, hoff %d, mask %x %x, crc %u: %s", tuple->t_len, tuple->t_data->t_hoff, tuple->t_data->t_infomask,
			tuple->t_data->t_infomask2, crc_of((char *) tuple->t_data + tuple->t_data->t_hoff, tuple->t_len - tuple->t_data->t_hoff),
			show_row(desc, tuple));
		SAY("size: %zu", heap_compute_data_size(desc, values, nulls));
		minimal = heap_form_minimal_tuple(desc, values, nulls);
		SAY("minimal: %u bytes, hoff %d, crc %u", minimal->t_len, minimal->t_hoff,
			crc_of((char *) minimal + MINIMAL_TUPLE_DATA_OFFSET, minimal->t_len - MINIMAL_TUPLE_DATA_OFFSET));
		SAY("and back: %s", show_row(desc, heap_tuple_from_minimal_tuple(heap_copy_minimal_tuple(minimal))));
		SAY("from heap: %d", memcmp((char *) minimal_tuple_from_heap_tuple(tuple) + MINIMAL_TUPLE_DATA_OFFSET, (char *) minimal + MINIMAL_TUPLE_DATA_OFFSET,
										  minimal->t_len - MINIMAL_TUPLE_DATA_OFFSET) == 0);
		for (int i = 0; i < natts; i++)
		{
			back[i] = draw_value(TupleDescAttr(desc, i)->atttypid);
			back_nulls[i] = below(4) == 0;
		}
		changed = heap_modify_tuple(tuple, desc, back, back_nulls, replace);
		SAY("modified: %s", show_row(desc, changed));
		some = 0;
		for (int i = natts - 1; i >= 0; i--)
			if (replace[i])
			{
				numbers[some] = i + 1;
				column_nulls[some] = back_nulls[i];
				columns[some++] = back[i];
			}
		SAY("modified by columns: %s", show_row(desc, heap_modify_tuple_by_cols(tuple, desc, some, numbers, columns, column_nulls)));
		SAY("copied: %s", show_row(desc, heap_copytuple(changed)));
		heap_deform_tuple(changed, desc, back, back_nulls);
		for (int i = 0; i < natts; i++)
			if (back_nulls[i] != heap_attisnull(changed, i + 1, desc))
				SAY("column %d is null and is not", i);
		SAY("as row: %s", show(RECORDOID, heap_copy_tuple_as_datum(tuple, BlessTupleDesc(desc)), false));
		{
			Tuplestorestate *store = tuplestore_begin_heap(below(2), false, 64);
			int			second;
			int			count = 0;

			tuplestore_set_eflags(store, 0x0002 | 0x0004);
			second = tuplestore_alloc_read_pointer(store, 0x0004);
			for (int i = 0; i < 5; i++)
				tuplestore_puttuple(store, i % 2 ? tuple : changed);
			SAY("store: %d rows, in memory %d", (int) tuplestore_tuple_count(store), tuplestore_in_memory(store));
			RESULT("skip", "%d", tuplestore_skiptuples(store, 2, true));
			tuplestore_copy_read_pointer(store, 0, second);
			tuplestore_select_read_pointer(store, second);
			RESULT("forward", "%d", tuplestore_advance(store, true));
			tuplestore_select_read_pointer(store, 0);
			tuplestore_trim(store);
			while (tuplestore_advance(store, true))
				count++;
			SAY("rest: %d, end %d", count, tuplestore_ateof(store));
			tuplestore_end(store);
		}
	}
	say_desc("lists", BuildDescFromLists(list_make2(makeString("a"), makeString("b")), list_make2_oid(INT4OID, TEXTOID),
										 list_make2_int(-1, -1), list_make2_oid(InvalidOid, DEFAULT_COLLATION_OID)));
	CommitTransactionCommand();
	SAY("done");
}

/* ---- arrays */

static void
say_array(const char *what, Datum value)
{
	ArrayType  *array = DatumGetArrayTypeP(value);

	SAY("%s: %s, %u bytes, crc %u", what, show(get_array_type(ARR_ELEMTYPE(array)), PointerGetDatum(array), false), VARSIZE(array),
		crc_of((char *) array, VARSIZE(array)));
}

/* Reads and writes slices of the array that lie in it, across its edges, beyond them, or are none. */
static void
do_slices(ArrayType *array, ArrayType *other, int16 length, bool by_value, char align)
{
	for (int round = 0; round < 6; round++)
	{
		int			count = below(8) == 0 ? ARR_NDIM(array) + 1 : 1 + below(Max(ARR_NDIM(array), 1));
		int			from[MAXDIM],
					to[MAXDIM],
					from_too[MAXDIM],
					to_too[MAXDIM];
		bool		has_from[MAXDIM],
					has_to[MAXDIM];
		bool		inside = below(2);

		for (int i = 0; i < MAXDIM; i++)
		{
			int			begin = i < ARR_NDIM(array) ? ARR_LBOUND(array)[i] : 1;
			int			width = i < ARR_NDIM(array) ? ARR_DIMS(array)[i] : 2;

			from[i] = inside ? begin + below(width) : begin - 3 + below(width + 6);
			to[i] = inside ? from[i] + below(width - (from[i] - begin)) : from[i] - (below(6) == 0) + below(width + 2);
			if (below(40) == 0)
				from[i] = ONE_OF("-", "+")[0] == '-' ? INT_MIN : INT_MIN + 5;
			if (below(40) == 0)
				to[i] = INT_MAX - below(2);
			has_from[i] = below(6) > 0;
			has_to[i] = below(6) > 0;
			from_too[i] = from[i];
			to_too[i] = to[i];
		}
		RESULT("slice", "%d", (say_array("get", array_get_slice(PointerGetDatum(array), count, to, from, has_to, has_from, -1, length, by_value, align)), 1));
		SAY("bounds %d %d", from[0], to[0]);
		RESULT("slice", "%d", (say_array("set", array_set_slice(PointerGetDatum(array), count, to_too, from_too, has_to, has_from, PointerGetDatum(other), below(12) == 0, -1, length,
													by_value, align)), 1));
	}
}

static void
do_arrays(const char *argument)
{
	state = strtoull(argument, NULL, 10);
	StartTransactionCommand();
	for (int round = 0; round < 150; round++)
	{
		int			ndim = 1 + below(4);
		int			dims[MAXDIM];
		int			lower[MAXDIM];
		int			first[MAXDIM];
		int			last[MAXDIM];
		int			span[MAXDIM];
		int			product[MAXDIM];
		int			distance[MAXDIM];
		int			current[MAXDIM] = {0};
		int			count = 1;
		bool		isnull;
		Oid			type = column_types[below(lengthof(column_types) - 2)];
		int16		length;
		bool		by_value;
		char		align;
		Datum	   *values;
		Datum		one;
		bool	   *nulls;
		ArrayType  *array;
		StringInfoData walk;
		int			steps = 0;

		for (int i = 0; i < ndim; i++)
		{
			dims[i] = 1 + below(4);
			lower[i] = below(7) - 3;
			first[i] = lower[i] + below(dims[i]);
			last[i] = first[i] + below(lower[i] + dims[i] - first[i]);
			count *= dims[i];
		}
		values = palloc(sizeof(Datum) * count);
		nulls = palloc(sizeof(bool) * count);
		for (int i = 0; i < count; i++)
		{
			values[i] = draw_value(type);
			nulls[i] = below(5) == 0;
		}
		get_typlenbyvalalign(type, &length, &by_value, &align);
		array = construct_md_array(values, nulls, ndim, dims, lower, type, length, by_value, align);
		RESULT("array", "%s", show(get_array_type(type), PointerGetDatum(array), false));
		mda_get_range(ndim, span, first, last);
		mda_get_prod(ndim, dims, product);
		mda_get_offset_values(ndim, distance, product, span);
		initStringInfo(&walk);
		do
		{
			appendStringInfo(&walk, " %d", current[ndim - 1]);
			steps++;
		} while (mda_next_tuple(ndim, current, span) != -1 && steps < 400);
		SAY("slice: offset %d, distances %d %d, %d steps%s", ArrayGetOffset(ndim, dims, lower, first), distance[0], distance[ndim - 1], steps, walk.data);
		SAY("offset 0: %d", ArrayGetOffset0(ndim, current, product));
		one = array_ref(array, ndim, first, -1, length, by_value, align, &isnull);
		SAY("ref: %s", show(type, one, isnull));
		RESULT("set", "%s", show(get_array_type(type), array_set_element(PointerGetDatum(array), ndim, first, draw_value(type), below(3) == 0, -1, length, by_value, align), false));
		if (ndim == 1)
		{
			int			far = lower[0] + dims[0] + below(4);

			RESULT("set beyond", "%s", show(get_array_type(type), array_set_element(PointerGetDatum(array), 1, &far, draw_value(type), false, -1, length, by_value, align), false));
		}
		RESULT("contains nulls", "%d", array_contains_nulls(array));
		{
			int			other_dims[2] = {1 + below(6), 1 + below(6)};
			int			other_lower[2] = {below(5) - 2, 1};
			Datum	   *others = palloc(sizeof(Datum) * 36);
			bool	   *other_nulls = palloc(sizeof(bool) * 36);
			bool		with_nulls = below(2);

			for (int i = 0; i < 36; i++)
			{
				others[i] = draw_value(type);
				other_nulls[i] = with_nulls && below(4) == 0;
			}
			do_slices(below(10) == 0 ? construct_empty_array(type) : array,
					  construct_md_array(others, other_nulls, 1 + below(2), other_dims, other_lower, type, length, by_value, align), length,
					  by_value, align);
			say_array("set inside", array_set_element(PointerGetDatum(array), ndim, last, others[0], false, -1, length, by_value, align));
		}
		{
			ArrayBuildStateAny *any = initArrayResultAny(below(2) ? type : get_array_type(type), CurrentMemoryContext, below(2));
			bool		arrays = any->scalarstate == NULL;

			RESULT("built of any", "%s", (any = accumArrayResultAny(any, arrays ? PointerGetDatum(array) : values[0], !arrays && nulls[0], arrays ? get_array_type(type) : type, CurrentMemoryContext),
										  any = accumArrayResultAny(any, arrays ? PointerGetDatum(array) : values[count - 1], false, arrays ? get_array_type(type) : type, CurrentMemoryContext),
										  show(get_array_type(type), makeArrayResultAny(any, CurrentMemoryContext, false), false)));
		}
		dims[below(ndim)] = ONE_OF("0", "1", "100000", "2147483647", "-1")[0] == '-' ? -1 : (int) below(3) * 1000000;
		RESULT("items", "%d", ArrayGetNItems(ndim, dims));
		lower[0] = below(2) ? INT_MAX - below(3) : lower[0];
		RESULT("bounds", "%d", (ArrayCheckBounds(ndim, dims, lower), 1));
	}
	RESULT("empty", "%s", show(INT4ARRAYOID, PointerGetDatum(construct_empty_array(INT4OID)), false));
	for (int i = 0; i < 20; i++)
	{
		bits8		from[6];
		bits8		to[6];

		for (int j = 0; j < 6; j++)
		{
			from[j] = (bits8) draw();
			to[j] = (bits8) draw();
		}
		array_bitmap_copy(to, below(12), below(4) ? from : NULL, below(12), below(30));
		SAY("bits: %02x%02x%02x%02x%02x%02x", to[0], to[1], to[2], to[3], to[4], to[5]);
	}
	{
		int			n;
		int32	   *typmods;
		Datum		words[2] = {CStringGetDatum("12"), CStringGetDatum("-3")};
		Datum		wrong[1] = {CStringGetDatum("x1")};

		typmods = ArrayGetIntegerTypmods(construct_array(words, 2, CSTRINGOID, -2, false, 'c'), &n);
		SAY("typmods: %d %d %d", n, typmods[0], typmods[1]);
		RESULT("wrong typmod", "%d", (ArrayGetIntegerTypmods(construct_array(wrong, 1, CSTRINGOID, -2, false, 'c'), &n), n));
		RESULT("not of cstring", "%d", (ArrayGetIntegerTypmods(construct_empty_array(INT4OID), &n), n));
	}
	CommitTransactionCommand();
	SAY("done");
}

/* ---- transactions, snapshots, portals */

static const char *const sub_events[] = {"start", "commit", "abort", "pre-commit"};

static void
on_subtransaction(SubXactEvent event, SubTransactionId mine, SubTransactionId parent, void *arg)
{
	SAY("subtransaction %u of %u: %s", mine, parent, sub_events[event]);
}

static void
say_transaction(const char *when)
{
	SAY("%s: state %d block %d %d %d aborted %d nest %d sub %u active %d %d command %u code %c snapshot %d %d", when, IsTransactionState(),
		IsTransactionBlock(), IsTransactionOrTransactionBlock(), IsInTransactionBlock(true), IsAbortedTransactionBlockState(),
		GetCurrentTransactionNestLevel(), GetCurrentSubTransactionId(), SubTransactionIsActive(1), SubTransactionIsActive(2),
		IsTransactionState() ? GetCurrentCommandId(false) : 0, TransactionBlockStatusCode(), ActiveSnapshotSet(), HaveRegisteredOrActiveSnapshot());
}

static void
clean_up(Portal portal)
{
	SAY("clean-up of \"%s\", status %d", portal->name, portal->status);
}

static Portal
new_portal(const char *name, bool allow, bool silent)
{
	Portal		portal = CreatePortal(name, allow, silent);

	portal->cleanup = clean_up;
	return portal;
}

static void
do_transactions(const char *argument)
{
	Portal		portal;
	Snapshot	snapshot;

	RegisterSubXactCallback(on_subtransaction, NULL);
	say_transaction("outside");
	StartTransactionCommand();
	say_transaction("started");
	RESULT("prevent", "%d", (PreventInTransactionBlock(true, "PROBE"), 1));
	RESULT("require", "%d", (RequireTransactionBlock(true, "PROBE"), 1));
	RESULT("warn", "%d", (WarnNoTransactionBlock(true, "PROBE"), 1));
	CommandCounterIncrement();
	say_transaction("counted");
	(void) GetCurrentCommandId(true);
	CommandCounterIncrement();
	say_transaction("counted when used");
	BeginInternalSubTransaction("a");
	say_transaction("in a");
	BeginInternalSubTransaction(NULL);
	say_transaction("in a nameless one");
	RollbackAndReleaseCurrentSubTransaction();
	ReleaseCurrentSubTransaction();
	say_transaction("after");
	PushActiveSnapshot(GetTransactionSnapshot());
	say_transaction("with a snapshot");
	PushCopiedSnapshot(GetActiveSnapshot());
	UpdateActiveSnapshotCommandId();
	SAY("snapshot: command %u, copied %d, counted %u %u", GetActiveSnapshot()->curcid, GetActiveSnapshot()->copied,
		GetActiveSnapshot()->active_count, GetActiveSnapshot()->regd_count);
	PopActiveSnapshot();
	snapshot = RegisterSnapshot(GetLatestSnapshot());
	SAY("registered: %u %u", snapshot->active_count, snapshot->regd_count);
	PopActiveSnapshot();
	say_transaction("registered");
	UnregisterSnapshot(snapshot);
	say_transaction("none");

	portal = new_portal("one", false, false);
	SAY("portal: \"%s\" status %d strategy %d visible %d context %d owner %d sub %u %u pinned %d held %d", portal->name, portal->status,
		portal->strategy, portal->visible, portal->portalContext != NULL, portal->resowner != NULL, portal->createSubid, portal->activeSubid,
		portal->portalPinned, portal->holdStore != NULL);
	RESULT("again", "%s", new_portal("one", false, false)->name);
	RESULT("again, allowed", "%s", new_portal("one", true, true)->name);
	RESULT("drop a new one", "%d", (PortalDrop(portal, false), 1));
	RESULT("without clean-up", "%s", CreatePortal("plain", false, false)->name);
	RESULT("again, allowed", "%s", CreatePortal("plain", true, true)->name);
	RESULT("drop it", "%d", (PortalDrop(GetPortalByName("plain"), false), 1));
	RESULT("still there", "%d", GetPortalByName("plain") != NULL);
	portal = GetPortalByName("one");
	if (portal == NULL)
		portal = new_portal("one", false, false);
	SAY("found %d", GetPortalByName("one") == portal);
	SAY("not found %d", GetPortalByName("two") == NULL);
	SAY("no name %d", GetPortalByName(NULL) == NULL);
	PortalDefineQuery(portal, NULL, "SELECT 1", CMDTAG_SELECT, NIL, NULL);
	SAY("defined: status %d \"%s\" %s", portal->status, portal->sourceText, GetCommandTagName(portal->commandTag));
	PinPortal(portal);
	RESULT("pin again", "%d", (PinPortal(portal), 1));
	RESULT("drop pinned", "%d", (PortalDrop(portal, false), 1));
	UnpinPortal(portal);
	RESULT("unpin again", "%d", (UnpinPortal(portal), 1));
	RESULT("active too early", "%d", (MarkPortalActive(portal), 1));
	portal->status = PORTAL_READY;
	MarkPortalActive(portal);
	RESULT("active again", "%d", (MarkPortalActive(portal), 1));
	RESULT("drop active", "%d", (PortalDrop(portal, false), 1));
	MarkPortalDone(portal);
	SAY("done: status %d clean-up %d", portal->status, portal->cleanup != NULL);
	PortalDrop(portal, false);
	SAY("dropped %d", GetPortalByName("one") == NULL);
	portal = CreateNewPortal();
	SAY("new: \"%s\"", portal->name);
	portal = CreateNewPortal();
	portal->cleanup = clean_up;
	SAY("new: \"%s\"", portal->name);
	MarkPortalFailed(portal);
	SAY("failed: status %d clean-up %d", portal->status, portal->cleanup != NULL);

	BeginInternalSubTransaction("b");
	portal = new_portal("inner", false, false);
	RollbackAndReleaseCurrentSubTransaction();
	portal = GetPortalByName("inner");
	SAY("after its subtransaction: %d", portal != NULL);
	BeginInternalSubTransaction("c");
	portal = new_portal("kept", false, false);
	ReleaseCurrentSubTransaction();
	portal = GetPortalByName("kept");
	SAY("after its subtransaction: %d, sub %u", portal != NULL, portal ? portal->createSubid : 0);
	portal->status = PORTAL_READY;
	GetPortalByName("plain")->status = PORTAL_READY;
	portal = GetPortalByName("<unnamed portal 1>");
	PortalDefineQuery(portal, NULL, "SELECT 1", CMDTAG_SELECT, NIL, NULL);
	RESULT("drop a defined one", "%d", (PortalDrop(portal, false), 1));
	RESULT("at commit", "%d", (PortalDrop(portal, true), 1));
	portal->status = PORTAL_READY;
	RESULT("drop a ready one", "%d", (PortalDrop(portal, false), 1));
	CommitTransactionCommand();
	SAY("after the transaction: %d", GetPortalByName("kept") != NULL);
	StartTransactionCommand();
	(void) new_portal("new at the end", false, false);
	RESULT("commit", "%d", (CommitTransactionCommand(), 1));
	AbortCurrentTransaction();
	SAY("after a commit that failed: %d", GetPortalByName("new at the end") != NULL);
	StartTransactionCommand();
	(void) new_portal("aborted", false, false);
	AbortCurrentTransaction();
	StartTransactionCommand();
	PortalDefineQuery(new_portal("defined and aborted", false, false), NULL, "SELECT 1", CMDTAG_SELECT, NIL, NULL);
	AbortCurrentTransaction();
	StartTransactionCommand();
	new_portal("done and aborted", false, false)->status = PORTAL_DONE;
	AbortCurrentTransaction();
	SAY("after an abort: %d", GetPortalByName("aborted") != NULL);
	say_transaction("at the end");
	SAY("done");
}

/* ---- what port.h and others have of texts, paths and numbers */

static int
compare_int(const void *a, const void *b, void *arg)
{
	++*(int *) arg;
	return *(const int *) a < *(const int *) b ? -1 : *(const int *) a > *(const int *) b;
}

static int
compare_plain(const void *a, const void *b)
{
	return *(const int *) a < *(const int *) b ? -1 : *(const int *) a > *(const int *) b;
}

static void
do_port(const char *argument)
{
	state = strtoull(argument, NULL, 10);
	for (int round = 0; round < 200; round++)
	{
		char		path[MAXPGPATH];
		char		buffer[24];
		char		name[MAXPGPATH];
		int			numbers[40];
		int			count = below(40);
		int			compared = 0;
		int			key = below(50);
		int		   *found;
		unsigned char address[16];
		char		shown[64];
		bool		flag;
		const char *word = ONE_OF("", "t", "TRUE", "of", "off", "o", "on", "yes", "n", "1", "0", "2", "tru e", "fals", "\xc3\xa4");

		snprintf(path, sizeof(path), "%s%s%s%s", ONE_OF("/", "", "./", "../", "//"), ONE_OF("a", "..", ".", "a/b", ""), ONE_OF("/", "//", "/./", "/../", ""),
				 ONE_OF("c", "..", ".", "", "d/", "e//f/../g"));
		SAY("path \"%s\": drive %d, safe %d", path, has_drive_prefix(path), path_is_safe_for_extraction(path));
		strlcpy(name, path, sizeof(name));
		cleanup_path(name);
		make_native_path(name);
		SAY("  clean \"%s\"", name);
		get_share_path("/x/y/bin/postgres", name);
		if (round == 0)
			SAY("  share %s", name);
		strlcpy(buffer, path, sizeof(buffer));
		SAY("  strlcat %zu \"%s\"", strlcat(buffer, path, below(24) + 1), buffer);
		for (int i = 0; i < count; i++)
			numbers[i] = below(50);
		qsort_arg(numbers, count, sizeof(int), compare_int, &compared);
		found = bsearch_arg(&key, numbers, count, sizeof(int), compare_int, &compared);
		SAY("sorted: %d compared, found %d, first %d last %d", compared, found ? (int) (*found) : -1, count ? numbers[0] : -1, count ? numbers[count - 1] : -1);
		for (int i = 0; i < count; i++)
			numbers[i] = below(50);
		pg_qsort(numbers, count, sizeof(int), compare_plain);
		SAY("sorted: %u", crc_of(numbers, sizeof(int) * count));
		for (int i = 0; i < 16; i++)
			address[i] = (unsigned char) (below(3) ? draw() : 0);
		SAY("address: %s", pg_inet_net_ntop(below(2) ? PGSQL_AF_INET : PGSQL_AF_INET6, address, below(129), shown, sizeof(shown)) ? shown : "none");
		SAY("bits: %d %d", bitncmp(address, address + 1, below(64)), bitncommon(address, address + 2, below(64)));
		SAY("word \"%s\": %d %d", word, parse_bool_with_len(word, strlen(word), &flag), parse_bool(word, &flag));
		SAY("letters: %d %d %d %d", pg_ascii_tolower((unsigned char) (round + 20)), pg_ascii_toupper((unsigned char) (round + 20)), pg_tolower((unsigned char) (round % 128)), pg_toupper((unsigned char) (round % 128)));
		SAY("bpchar: %d", bpchartruelen((char *) ONE_OF("a  ", "   ", "", " a b "), below(2) ? 0 : 3));
		SAY("constant-time: %d", timingsafe_bcmp(address, address + below(2), below(8)) != 0);
		SAY("fls: %d", fls(below(3) ? (int) draw() : 0));
		{
			Timestamp	one = (int64) draw() % INT64CONST(200000000000000000);
			TimestampTz two = below(4) ? (int64) draw() % INT64CONST(200000000000000000) : (TimestampTz) one;
			int			week = below(60) - 2;
			int			year = below(9000) - 100;
			int			month;
			int			day;
			int			hour;
			int			minute;
			int			second;
			fsec_t		fraction;

			dt2time(one, &hour, &minute, &second, &fraction);
			SAY("dt2time: %d:%d:%d.%d", hour, minute, second, fraction);
			SAY("compared: %d %d", timestamp_cmp_internal(one, two), timestamp_cmp_timestamptz_internal(one, two));
			SAY("isoweek2j: %d", isoweek2j(year, week));
			isoweek2date(week, &year, &month, &day);
			SAY("isoweek2date: %d-%d-%d", year, month, day);
			isoweekdate2date(week, 1 + below(7), &year, &month, &day);
			SAY("isoweekdate2date: %d-%d-%d", year, month, day);
		}
	}
	SAY("done");
}

static const ProbeAction actions[] = {
	{"types", do_types},
	{"tuples", do_tuples},
	{"arrays", do_arrays},
	{"transactions", do_transactions},
	{"port", do_port},
	{NULL, NULL}
};

void
_PG_init(void)
{
	if (process_shared_preload_libraries_in_progress)
		probe_init("probe_tools", "probe_tools_main");
}

void
probe_tools_main(Datum main_arg)
{
	MemoryContext context = AllocSetContextCreate(TopMemoryContext, "probe_tools", ALLOCSET_DEFAULT_SIZES);

	BackgroundWorkerUnblockSignals();
	BackgroundWorkerInitializeConnection("postgres", NULL, 0);
	MemoryContextSwitchTo(context);
	probe_main(actions, main_arg);
}
