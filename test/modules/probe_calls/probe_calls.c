/*
 * probe_calls: the property that the server's functions which need no session answer in the host as in the server, on
 * arguments generated from a seed. The argument of each action is SEED.
 */
#include "postgres.h"

#include "probe_common.h"
#include "probe_random.h"

#include <limits.h>
#include <math.h>

#include "access/xact.h"
#include "catalog/pg_collation.h"
#include "catalog/pg_type.h"
#include "common/base64.h"
#include "common/cryptohash.h"
#include "common/hashfn.h"
#include "common/ip.h"
#include "common/md5.h"
#include "common/pg_lzcompress.h"
#include "common/pg_prng.h"
#include "common/shortest_dec.h"
#include "common/string.h"
#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "parser/scansup.h"
#include "pgtime.h"
#include "port/pg_bitutils.h"
#include "port/pg_crc32c.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/datetime.h"
#include "utils/float.h"
#include "utils/formatting.h"
#include "utils/json.h"
#include "utils/numeric.h"
#include "utils/regproc.h"
#include "utils/timestamp.h"
#include "utils/varlena.h"

PG_MODULE_MAGIC;

void		_PG_init(void);
PGDLLEXPORT void probe_calls_main(Datum main_arg);

/* Bytes as a log takes them in any encoding. */
static char *
bytes_shown(const void *data, int length)
{
	StringInfoData out;
	const unsigned char *bytes = data;

	if (data == NULL)
		return "(null)";
	initStringInfo(&out);
	for (int i = 0; i < length; i++)
		if (bytes[i] >= ' ' && bytes[i] < 127 && bytes[i] != '\\')
			appendStringInfoChar(&out, bytes[i]);
		else
			appendStringInfo(&out, "\\%02x", bytes[i]);
	return out.data;
}

static char *
shown(const char *text)
{
	return bytes_shown(text, text ? strlen(text) : 0);
}

/* A number of any size that a type of `bits` bits holds, its limits among them. */
static int64
whole(int bits)
{
	int64		most = (int64) ((UINT64CONST(1) << (bits - 1)) - 1);

	switch (below(8))
	{
		case 0:
			return most;
		case 1:
			return -most - 1;
		case 2:
			return below(3) - 1;
		default:
			return (int64) draw() >> (64 - 1 - below(bits));
	}
}

static double
real(void)
{
	union
	{
		uint64		i;
		double		d;
	}			bits;

	switch (below(8))
	{
		case 0:
			return get_float8_infinity();
		case 1:
			return -0.0;
		case 2:
			return (double) whole(53);
		case 3:
			return (double) whole(32) / 100;
		default:
			do
				bits.i = draw();
			while (isnan(bits.d));
			return bits.d;
	}
}

/*
 * Of text that is not valid and has characters without an equivalent besides, the upstream reports the first, the server
 * what comes first: only the class of such an error is compared.
 */
static bool only_class;

/* Says what an expression gives, or the error that it raises. */
#define RESULT(what, ...) \
	do { \
		MemoryContext caller_ = CurrentMemoryContext; \
		char	   *volatile line_ = NULL; \
		PG_TRY(); \
		{ \
			line_ = psprintf(__VA_ARGS__); \
		} \
		PG_CATCH(); \
		{ \
			ErrorData  *error_; \
			MemoryContextSwitchTo(caller_); \
			error_ = CopyErrorData(); \
			FlushErrorState(); \
			if (only_class) \
				line_ = psprintf("ERROR %.2s", unpack_sql_state(error_->sqlerrcode)); \
			else \
				line_ = psprintf("%s %s %s | %s | %s", error_->elevel == ERROR ? "ERROR" : "?", unpack_sql_state(error_->sqlerrcode), \
							 shown(error_->message), shown(error_->detail), shown(error_->hint)); \
		} \
		PG_END_TRY(); \
		SAY("%s: %s", what, line_); \
	} while (0)

/* What a list of names, of paths or of settings may look like. */
static char *
list_text(void)
{
	StringInfoData text;
	int			pieces = below(12);

	initStringInfo(&text);
	while (pieces-- > 0)
		appendStringInfoString(&text, ONE_OF(",", ",", ",", " ", "\t", "\n", "abc", "Abc", "ABC_9$", "\"", "\"\"", "\"Q , q\"",
											 "\"a\"\"b\"", "x.y", ".", "/usr/lib", "/usr//lib/../lib", "..", "'", "''", ";", "\\", "1",
											 "=", "on", "$user", "\"$user\"", "a b", "'quo ted'", "verylongname_verylongname_verylongname_verylongname_verylongname"));
	return text.data;
}

static char *
list_shown(List *list)
{
	StringInfoData out;
	ListCell   *cell;

	initStringInfo(&out);
	foreach(cell, list)
		appendStringInfo(&out, "<%s>", shown(lfirst(cell)));
	return out.data;
}

static char *
split(bool (*function) (char *, char, List **), const char *text, char separator)
{
	List	   *names = NIL;
	char	   *copy = pstrdup(text);
	bool		done = function(copy, separator, &names);

	return psprintf("%d %s", done, done ? list_shown(names) : "");
}

static char *
names_shown(List *names)
{
	StringInfoData out;
	ListCell   *cell;

	initStringInfo(&out);
	foreach(cell, names)
		appendStringInfo(&out, "<%s>", shown(strVal(lfirst(cell))));
	return out.data;
}

static char *
word(void)
{
	StringInfoData text;
	int			pieces = below(6);

	initStringInfo(&text);
	while (pieces-- > 0)
		appendStringInfoString(&text, ONE_OF("a", "Z", "select", "user", "\"", "'", "\\", " ", "_", "9", "$", "\xc3\xa4", "\xe2\x82\xac",
											 "\x01", "\n", "\r", "\t", "\b", "\f", "/", "\x7f", "order", "table", "int4", "<", "&"));
	return text.data;
}

static char *
json_of(const char *text)
{
	StringInfoData out;

	initStringInfo(&out);
	escape_json(&out, text);
	return out.data;
}

static void
do_names(const char *argument)
{
	state = strtou64(argument, NULL, 10);
	for (int i = 0; i < 400; i++)
	{
		char	   *list = list_text();
		char	   *one = word();
		char	   *other = word();
		char		separator = ",; "[below(3)];

		SAY("list %s, separator '%c'", shown(list), separator);
		RESULT("SplitIdentifierString", "%s", split(SplitIdentifierString, list, separator));
		RESULT("SplitDirectoriesString", "%s", split(SplitDirectoriesString, list, separator));
		RESULT("SplitGUCList", "%s", split(SplitGUCList, list, separator));
		RESULT("textToQualifiedNameList", "%s", names_shown(textToQualifiedNameList(cstring_to_text(list))));
		RESULT("stringToQualifiedNameList", "%s", names_shown(stringToQualifiedNameList(list)));
		SAY("words %s and %s", shown(one), shown(other));
		RESULT("quote_identifier", "%s", shown(quote_identifier(one)));
		RESULT("quote_qualified_identifier", "%s %s", shown(quote_qualified_identifier(one, other)), shown(quote_qualified_identifier(NULL, other)));
		RESULT("quote_literal_cstr", "%s", shown(quote_literal_cstr(one)));
		RESULT("quote_literal", "%s", shown(TextDatumGetCString(DirectFunctionCall1(quote_literal, CStringGetTextDatum(one)))));
		RESULT("quote_ident", "%s", shown(TextDatumGetCString(DirectFunctionCall1(quote_ident, CStringGetTextDatum(one)))));
		RESULT("escape_json", "%s", shown(json_of(one)));
		RESULT("escape_single_quotes_ascii", "%s", shown(escape_single_quotes_ascii(one)));
		RESULT("downcase_identifier", "%s %s", shown(downcase_identifier(list, strlen(list), false, true)), shown(downcase_identifier(list, strlen(list), false, false)));
		RESULT("downcase_truncate_identifier", "%s", shown(downcase_truncate_identifier(list, strlen(list), true)));
		{
			char	   *cut = pstrdup(list);

			RESULT("truncate_identifier", "%s", (truncate_identifier(cut, strlen(cut), true), shown(cut)));
		}
		RESULT("pg_str_endswith", "%d", pg_str_endswith(list, "c"));
		RESULT("pg_strip_crlf", "%d", pg_strip_crlf(pstrdup(one)));
		RESULT("pg_is_ascii", "%d", pg_is_ascii(one));
		{
			char	   *clean = pstrdup(one);

			pg_clean_ascii(clean);
			SAY("pg_clean_ascii: %s", shown(clean));
		}
		RESULT("str_tolower", "%s", shown(str_tolower(one, strlen(one), C_COLLATION_OID)));
		RESULT("str_toupper", "%s", shown(str_toupper(one, strlen(one), C_COLLATION_OID)));
		RESULT("str_initcap", "%s", shown(str_initcap(list, strlen(list), C_COLLATION_OID)));
		RESULT("asc", "%s %s %s", shown(asc_tolower(one, strlen(one))), shown(asc_toupper(one, strlen(one))), shown(asc_initcap(list, strlen(list))));
		RESULT("compare", "%d %d %d %d", pg_strcasecmp(one, other) < 0, pg_strncasecmp(one, other, 2) < 0,
			   varstr_cmp(one, strlen(one), other, strlen(other), C_COLLATION_OID) < 0, strcmp(one, other) < 0);
		MemoryContextReset(CurrentMemoryContext);
	}
	SAY("done");
}

static void
do_paths(const char *argument)
{
	state = strtou64(argument, NULL, 10);
	for (int i = 0; i < 300; i++)
	{
		StringInfoData text;
		int			pieces = below(8);
		char		path[MAXPGPATH];
		char		joined[MAXPGPATH];
		const char *tail = ONE_OF("", "a", "..", ".", "./b", "../../c", "a/b/", "a//b", "/");

		initStringInfo(&text);
		while (pieces-- > 0)
			appendStringInfoString(&text, ONE_OF("/", "/", "//", ".", "..", "a", "bc", "...", " ", "a.b", "x:y", ":", "/../", "/./", "$libdir"));
		SAY("path %s, tail %s", shown(text.data), tail);
		strlcpy(path, text.data, MAXPGPATH);
		canonicalize_path(path);
		SAY("canonicalize_path: %s", shown(path));
		strlcpy(path, text.data, MAXPGPATH);
		canonicalize_path_enc(path, PG_UTF8);
		SAY("canonicalize_path_enc: %s", shown(path));
		strlcpy(path, text.data, MAXPGPATH);
		get_parent_directory(path);
		SAY("get_parent_directory: %s", shown(path));
		join_path_components(joined, text.data, tail);
		SAY("join_path_components: %s", shown(joined));
		SAY("positions: %d %d %d %d", (int) (first_dir_separator(text.data) ? first_dir_separator(text.data) - text.data : -1),
			(int) (last_dir_separator(text.data) ? last_dir_separator(text.data) - text.data : -1),
			(int) (first_path_var_separator(text.data) ? first_path_var_separator(text.data) - text.data : -1), is_absolute_path(text.data));
		SAY("path_contains_parent_reference: %d", path_contains_parent_reference(text.data));
		SAY("path_is_relative_and_below_cwd: %d", path_is_relative_and_below_cwd(text.data));
		strlcpy(path, text.data, MAXPGPATH);
		canonicalize_path(path);
		canonicalize_path(joined);
		SAY("path_is_prefix_of_path: %d %d", path_is_prefix_of_path(path, joined), path_is_prefix_of_path(joined, path));
		SAY("get_progname: %s", shown(get_progname(text.data[0] ? text.data : "x")));
	}
	SAY("done");
}

static char *
number_text(void)
{
	StringInfoData text;
	int			pieces = below(5);

	initStringInfo(&text);
	appendStringInfoString(&text, ONE_OF("", "", "", " ", "-", "+", "\t", "0x", "0"));
	switch (below(4))
	{
		case 0:
			appendStringInfo(&text, INT64_FORMAT, whole(64));
			break;
		case 1:
			appendStringInfo(&text, "%d", (int) whole(32));
			break;
		case 2:
			appendStringInfo(&text, "%d", (int) whole(16));
			break;
		default:
			while (pieces-- > 0)
				appendStringInfoString(&text, ONE_OF("1", "9", ".", "e", "E5", "-", "99999999999", "00", "inf", "nan", "Infinity", "_"));
	}
	appendStringInfoString(&text, ONE_OF("", "", "", " ", "kB", "MB", " GB", "ms", "s", " min", "h", "d", "x", "TB", "us", "B"));
	return text.data;
}

static char *
int_parsed(const char *text, int flags)
{
	int			value = -77;
	const char *hint = NULL;
	bool		good = parse_int(text, &value, flags, &hint);

	return psprintf("%d %d %s", good, good ? value : 0, shown(hint));
}

static char *
real_parsed(const char *text, int flags)
{
	double		value = -77;
	const char *hint = NULL;
	bool		good = parse_real(text, &value, flags, &hint);

	return psprintf("%d %.17g %s", good, good ? value : 0, shown(hint));
}

static char *
bool_parsed(const char *text)
{
	bool		value = false;
	bool		good = parse_bool(text, &value);

	return psprintf("%d %d", good, good && value);
}

static char *
float_read(char *text)
{
	char	   *end = NULL;
	double		value = float8in_internal(text, &end, "double precision", text);

	return psprintf("%.17g %s", value, shown(end));
}

static char *
strtoint_read(const char *text)
{
	char	   *end = NULL;
	int			value;

	errno = 0;
	value = strtoint(text, &end, 10);
	return psprintf("%d %d %s", value, errno, shown(end));
}

static char *
numeric_shown(Numeric n)
{
	return DatumGetCString(DirectFunctionCall1(numeric_out, NumericGetDatum(n)));
}

static Numeric
some_numeric(void)
{
	switch (below(6))
	{
		case 0:
			return int64_to_numeric(whole(64));
		case 1:
			return DatumGetNumeric(DirectFunctionCall3(numeric_in, CStringGetDatum(ONE_OF("NaN", "Infinity", "-Infinity", "0", "1e100", "0.00000001")),
													   ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1)));
		default:
			return int64_div_fast_to_numeric(whole(64), below(20));
	}
}

static char *
numeric_or_error(Numeric (*operation) (Numeric, Numeric, bool *), Numeric a, Numeric b)
{
	bool		failed = false;
	Numeric		result = operation(a, b, &failed);

	return failed ? "failed" : numeric_shown(result);
}

static void
do_numbers(const char *argument)
{
	pg_prng_state prng;

	state = strtou64(argument, NULL, 10);
	for (int i = 0; i < 400; i++)
	{
		char	   *text = number_text();
		int64		n = whole(64);
		double		d = real();
		char		buffer[128];
		Numeric		a = some_numeric();
		Numeric		b = some_numeric();

		SAY("text %s, numbers " INT64_FORMAT " %.17g", shown(text), n, d);
		RESULT("pg_strtoint", "%d", pg_strtoint16(text));
		RESULT("pg_strtoint", "%d", pg_strtoint32(text));
		RESULT("pg_strtoint", INT64_FORMAT, pg_strtoint64(text));
		RESULT("strtoint", "%s", strtoint_read(text));
		RESULT("float8in_internal", "%s", float_read(text));
		RESULT("parse_int", "%s | %s | %s", int_parsed(text, 0), int_parsed(text, GUC_UNIT_KB), int_parsed(text, GUC_UNIT_MS));
		RESULT("parse_real", "%s | %s | %s", real_parsed(text, 0), real_parsed(text, GUC_UNIT_S), real_parsed(text, GUC_UNIT_BYTE));
		RESULT("parse_bool", "%s %s", bool_parsed(text), bool_parsed(ONE_OF("on", "of", "o", "TR", "false", "1", "0", "yes", "no", "n", "", "trueish")));
		pg_itoa((int16) n, buffer);
		SAY("pg_itoa: %s", buffer);
		buffer[pg_ltoa((int32) n, buffer)] = '\0';
		SAY("pg_ltoa: %s", buffer);
		buffer[pg_lltoa(n, buffer)] = '\0';
		SAY("pg_lltoa: %s", buffer);
		buffer[pg_ulltoa_n((uint64) n, buffer)] = '\0';
		SAY("pg_ulltoa_n: %s", buffer);
		buffer[pg_ultoa_n((uint32) n, buffer)] = '\0';
		SAY("pg_ultoa_n: %s", buffer);
		*pg_ultostr(buffer, (uint32) n) = '\0';
		SAY("pg_ultostr: %s", buffer);
		*pg_ultostr_zeropad(buffer, (uint32) n, 1 + below(10)) = '\0';
		SAY("pg_ultostr_zeropad: %s", buffer);
		double_to_shortest_decimal_buf(d, buffer);
		SAY("double_to_shortest_decimal_buf: %s", buffer);
		float_to_shortest_decimal_buf((float) d, buffer);
		SAY("float_to_shortest_decimal_buf: %s", buffer);
		SAY("float8out_internal: %s", float8out_internal(d));
		SAY("printf: %5.3s|%-8d|%+.2e|%*d|%%|%c|%g|%08.3f|%zu|%x|%o", "abcdef", (int) (int16) n, d, 9, 7, 'c', d, fmod(d, 1e6), (Size) n, (uint32) n, (uint32) n);
		pg_strfromd(buffer, sizeof buffer, below(17), d);
		SAY("pg_strfromd: %s", buffer);
		RESULT("numerics", "%s %s", numeric_shown(a), numeric_shown(b));
		RESULT("numeric_add_opt_error", "%s", numeric_or_error(numeric_add_opt_error, a, b));
		RESULT("numeric_sub_opt_error", "%s", numeric_or_error(numeric_sub_opt_error, a, b));
		RESULT("numeric_mul_opt_error", "%s", numeric_or_error(numeric_mul_opt_error, a, b));
		RESULT("numeric_div_opt_error", "%s", numeric_or_error(numeric_div_opt_error, a, b));
		RESULT("numeric_mod_opt_error", "%s", numeric_or_error(numeric_mod_opt_error, a, b));
		RESULT("numeric_div_opt_error, raising", "%s", numeric_shown(numeric_div_opt_error(a, b, NULL)));
		{
			bool		failed = false;

			RESULT("numeric_int4_opt_error", "%d", numeric_int4_opt_error(a, &failed));
			RESULT("numeric_int4_opt_error, raising", "%d", numeric_int4_opt_error(a, NULL));
			SAY("failed %d, %d %d", failed, numeric_is_nan(a), numeric_is_inf(a));
		}
		RESULT("numeric_normalize", "%s %s", numeric_normalize(a), numeric_out_sci(b, below(8)));
		SAY("bits: %d %d %d %d", pg_leftmost_one_pos64((uint64) n | 1), pg_rightmost_one_pos64((uint64) n | 1), pg_popcount64((uint64) n),
			(int) pg_popcount((char *) &n, sizeof n));
	}
	pg_prng_seed(&prng, draw());
	for (int i = 0; i < 50; i++)
		SAY("pg_prng: " UINT64_FORMAT " " INT64_FORMAT " " INT64_FORMAT " %u %d %d %.17g %d " UINT64_FORMAT, pg_prng_uint64(&prng), pg_prng_int64(&prng),
			pg_prng_int64p(&prng), pg_prng_uint32(&prng), pg_prng_int32(&prng), pg_prng_int32p(&prng), pg_prng_double(&prng), pg_prng_bool(&prng),
			pg_prng_uint64_range(&prng, 10, 10 + i * i));
	pg_prng_fseed(&prng, 0.25);
	SAY("pg_prng_fseed: " UINT64_FORMAT " %d", pg_prng_uint64(&prng), pg_prng_seed_check(&prng));
	SAY("done");
}

static void
do_bytes(const char *argument)
{
	state = strtou64(argument, NULL, 10);
	StartTransactionCommand();
	for (int i = 0; i < 300; i++)
	{
		int			length = below(4) == 0 ? below(5000) : below(40);
		char	   *data = palloc(length + 1);
		char	   *packed = palloc(PGLZ_MAX_OUTPUT(length));
		char	   *text = palloc(3 * length + 40);
		char	   *back = palloc(3 * length + 10);
		char		digest[33];
		const char *error = NULL;
		int			alphabet = 1 + below(255);
		int			done;

		for (int j = 0; j < length; j++)
			data[j] = 1 + below(alphabet);
		data[length] = '\0';
		SAY("hash of %d: %u " UINT64_FORMAT " %u " UINT64_FORMAT " %u %u %u", length, hash_bytes((unsigned char *) data, length),
			hash_bytes_extended((unsigned char *) data, length, draw()), hash_bytes_uint32((uint32) length),
			hash_bytes_uint32_extended((uint32) length, 9), string_hash(data, 64), tag_hash(data, length), uint32_hash(&length, sizeof length));
		done = pglz_compress(data, length, packed, PGLZ_strategy_always);
		SAY("pglz_compress: %d %u", done, done > 0 ? hash_bytes((unsigned char *) packed, done) : 0);
		if (done > 0)
		{
			SAY("pglz_decompress: %d %d", pglz_decompress(packed, done, back, length, true), memcmp(back, data, length));
			SAY("pglz_decompress, cut: %d", pglz_decompress(packed, done / 2, back, length, true));
			SAY("pglz_maximum_compressed_size: %d", pglz_maximum_compressed_size(length / 3, done));
			packed[below(done)] ^= 1 << below(8);
			SAY("pglz_decompress, damaged: %d", pglz_decompress(packed, done, back, length, true));
		}
		done = pg_b64_encode(data, length, text, pg_b64_enc_len(length));
		SAY("pg_b64: %d %d %u", pg_b64_enc_len(length), done, hash_bytes((unsigned char *) text, done));
		SAY("pg_b64_decode: %d %d", pg_b64_dec_len(done), pg_b64_decode(text, done, back, pg_b64_dec_len(done)));
		SAY("pg_b64_decode, damaged: %d", pg_b64_decode(data, length, back, 3 * length));
		done = hex_encode(data, length, text);
		RESULT("hex_decode", "%d %d", done, (int) hex_decode(text, done, back));
		RESULT("hex_decode, damaged", "%d", (int) hex_decode(data, length, back));
		SAY("pg_md5: %d %s", pg_md5_hash(data, length, digest, &error), digest);
		SAY("pg_md5_encrypt: %d %s", pg_md5_encrypt(data, "someone", 7, text, &error), text);
		{
			pg_crc32c	crc;

			INIT_CRC32C(crc);
			COMP_CRC32C(crc, data, length);
			FIN_CRC32C(crc);
			SAY("crc32c: %u", crc);
		}
		for (int type = PG_MD5; type <= PG_SHA512; type++)
		{
			pg_cryptohash_ctx *context = pg_cryptohash_create(type);
			uint8		result[64] = {0};

			(void) (pg_cryptohash_init(context) + pg_cryptohash_update(context, (uint8 *) data, length));
			done = pg_cryptohash_final(context, result, 8);
			SAY("pg_cryptohash, too short: %d %s", done, done < 0 ? pg_cryptohash_error(context) : "-");
			pg_cryptohash_free(context);
		}
	}
	for (int status = 0; status < 0x200; status++)
	{
		char	   *text = wait_result_to_str(status);

		/* The whole text would look like a crash in the log. */
		SAY("wait_result_to_str: %s %d %d", strstr(text, "terminated") ? strstr(text, "terminated") : text, wait_result_is_signal(status, status & 0x7f), wait_result_is_any_signal(status, true));
	}
	for (int number = 0; number < 80; number++)
	{
		char		buffer[100];

		SAY("%d: %s, %s", number, pg_strerror_r(number, buffer, sizeof buffer), number < 70 ? pg_strsignal(number) : "-");
	}
	CommitTransactionCommand();
	SAY("done");
}

/* Text in an encoding, with damage here and there. */
static char *
encoded(int encoding, int *length)
{
	StringInfoData text;
	int			pieces = below(10);

	initStringInfo(&text);
	while (pieces-- > 0)
		switch (below(6))
		{
			case 0:
			case 1:
				appendStringInfoChar(&text, ' ' + below(95));
				break;
			case 2:
				for (int n = 1 + below(4); n > 0; n--)
					appendStringInfoChar(&text, 1 + below(255));
				break;
			case 3:
				appendStringInfoString(&text, ONE_OF("\xc3\xa4", "\xe2\x82\xac", "\xf0\x9d\x84\x9e", "\xe3\x81\x82", "\xe4\xba\x9c", "\xed\xa0\x80", "\xc0\x80", "\xf4\x90\x80\x80"));
				break;
			case 4:
				appendStringInfoString(&text, ONE_OF("\xa4\xa2", "\xb0\xa1", "\x8e\xb1", "\x8f\xb0\xa1", "\x82\xa0", "\x88\x9f", "\xa1\xa1", "\xfe\xfe"));
				break;
			default:
				appendStringInfoChar(&text, 0xa0 + below(0x60));
		}
	if (text.len == 0)
		appendStringInfoChar(&text, 'x');
	*length = text.len;
	return text.data;
}

static char *
converted(char *given, const char *result, int length)
{
	if (result == NULL)
		return "(null)";
	return psprintf("%s%s", result == given ? "same " : "", bytes_shown(result, strlen(result)));
}

static void
do_encodings(const char *argument)
{
	state = strtou64(argument, NULL, 10);
	StartTransactionCommand();
	SAY("database %s, client %s, messages %s", GetDatabaseEncodingName(), pg_get_client_encoding_name(), pg_encoding_to_char(GetMessageEncoding()));
	for (int32 typmod = -1; typmod < 200; typmod++)
		SAY("numeric_maximum_size: %d %d", numeric_maximum_size(typmod < 0 ? -1 : ((typmod << 16) | 5) + VARHDRSZ), type_maximum_size(VARCHAROID, typmod));
	SAY("most %d", pg_database_encoding_max_length());
	for (int i = 0; i < 42; i++)
		SAY("%d: %s, most %d, %d %d, icu %d", i, pg_encoding_to_char(i), PG_VALID_ENCODING(i) ? pg_encoding_max_length(i) : -1,
			pg_valid_server_encoding_id(i), PG_VALID_ENCODING(i), is_encoding_supported_by_icu(i));
	for (int i = 0; i < 60; i++)
	{
		const char *name = ONE_OF("utf8", "UTF-8", "Unicode", "latin1", "LATIN-1", "iso88591", "EUC_JP", "eucjp", "sjis", "Shift_JIS", "mskanji", "win1252",
								  "windows-1252", "", "x", "sql_ascii", "KOI8R", "koi8-u", "gb18030", "johab", "big5", "uhc", "mule_internal", "tcvn");

		SAY("%s: %d %d %d", name, pg_char_to_encoding(name), pg_valid_client_encoding(name), pg_valid_server_encoding(name));
	}
	for (int i = 0; i < 60; i++)
	{
		int			length;
		char	   *text = encoded(PG_UTF8, &length);
		int			limit = below(length + 3);

		SAY("text %s, limit %d", bytes_shown(text, length), limit);
		RESULT("pg_verifymbstr", "%d", pg_verifymbstr(text, length, true));
		RESULT("pg_verifymbstr, raising", "%d", pg_verifymbstr(text, length, false));
		if (pg_verifymbstr(text, length, true))
		{
			pg_wchar   *wide = palloc((length + 1) * sizeof(pg_wchar));
			char	   *back = palloc(length * 4 + 10);
			int			n;

			RESULT("pg_mblen", "%d %d", pg_mblen(text), pg_dsplen(text));
			RESULT("pg_mbstrlen", "%d %d", pg_mbstrlen(text), pg_mbstrlen_with_len(text, limit < length ? pg_mbcliplen(text, length, limit) : length));
			RESULT("clip", "%d %d", pg_mbcliplen(text, length, limit), pg_mbcharcliplen(text, length, limit));
			n = pg_mb2wchar_with_len(text, wide, length);
			SAY("pg_mb2wchar_with_len: %d %u", n, hash_bytes((unsigned char *) wide, n * sizeof(pg_wchar)));
			RESULT("pg_wchar2mb_with_len", "%s", (n = pg_wchar2mb_with_len(wide, back, n), bytes_shown(back, n)));
		}
		for (int encoding = 0; encoding < _PG_LAST_ENCODING_; encoding++)
		{
			char	   *name = psprintf("%s %d", pg_encoding_to_char(encoding), i);

			if (!PG_VALID_ENCODING(encoding))
				continue;
			RESULT(name, "%d %d %d %d %d", pg_encoding_mblen_bounded(encoding, text), pg_encoding_dsplen(encoding, text),
				   pg_encoding_verifymbchar(encoding, text, length), pg_encoding_verifymbstr(encoding, text, length), pg_verify_mbstr(encoding, text, length, true));
			if (pg_verify_mbstr(encoding, text, length, true))
				RESULT(name, "clip %d", pg_encoding_mbcliplen(encoding, text, length, limit));
			only_class = !pg_verify_mbstr(encoding, text, length, true);
			if (below(4) == 0)
			{
				RESULT(name, "any to server %s", converted(text, pg_any_to_server(text, length, encoding), length));
				if (pg_verifymbstr(text, length, true))
					RESULT(name, "server to any %s", converted(text, pg_server_to_any(text, length, encoding), length));
			}
			if (below(6) == 0 && !only_class)	/* what is not valid may not be given to it */
			{
				int			to = below(_PG_LAST_ENCODING_);

				RESULT(name, "to %s: %s", pg_encoding_to_char(to),
					   converted(text, (char *) pg_do_encoding_conversion((unsigned char *) text, length, encoding, to), length));
			}
			only_class = false;
			if (below(4) == 0)
				RESULT(name, "verified %d", pg_verify_mbstr(encoding, text, length, false));
		}
		RESULT("pg_client_to_server", "%s", converted(text, pg_client_to_server(text, length), length));
		if (pg_verifymbstr(text, length, true))
			RESULT("pg_server_to_client", "%s", converted(text, pg_server_to_client(text, length), length));
		SAY("utf8: %d %u %d", pg_utf_mblen((unsigned char *) text), length > 3 ? utf8_to_unicode((unsigned char *) text) : 0,
			pg_utf8_islegal((unsigned char *) text, Min(length, pg_utf_mblen((unsigned char *) text))));
		{
			unsigned char utf8[8] = {0};
			pg_wchar	c = below(4) == 0 ? below(0x110000) : 1 + below(0x3000);

			unicode_to_utf8(c, utf8);
			SAY("unicode_to_utf8: %s", shown((char *) utf8));
			memset(utf8, 0, sizeof utf8);
			RESULT("pg_unicode_to_server", "%s", (pg_unicode_to_server(c, utf8), shown((char *) utf8)));
		}
		MemoryContextReset(CurTransactionContext);
	}
	CommitTransactionCommand();
	SAY("done");
}

static char *
tm_shown(const struct pg_tm *tm)
{
	if (tm == NULL)
		return "(null)";
	return psprintf("%d-%d-%d %d:%d:%d week day %d, day %d, dst %d, %ld %s", tm->tm_year, tm->tm_mon, tm->tm_mday, tm->tm_hour, tm->tm_min,
					tm->tm_sec, tm->tm_wday, tm->tm_yday, tm->tm_isdst, tm->tm_gmtoff, shown(tm->tm_zone));
}

static char *
boundary_shown(pg_time_t when, pg_tz *zone)
{
	long		before = 0;
	long		after = 0;
	int			before_dst = 0;
	int			after_dst = 0;
	pg_time_t	boundary = 0;
	int			result = pg_next_dst_boundary(&when, &before, &before_dst, &boundary, &after, &after_dst, zone);

	return result > 0 ? psprintf("%d %ld %d " INT64_FORMAT " %ld %d", result, before, before_dst, boundary, after, after_dst) :
		result == 0 ? psprintf("0 %ld %d", before, before_dst) : "-1";
}

static char *
abbreviation_shown(const char *abbreviation, pg_time_t when, pg_tz *zone)
{
	long		offset = 0;
	int			dst = 0;
	bool		known = pg_interpret_timezone_abbrev(abbreviation, &when, &offset, &dst, zone);

	return known ? psprintf("%ld %d", offset, dst) : "unknown";
}

static char *
offset_shown(pg_tz *zone)
{
	long		offset = 0;

	return pg_get_timezone_offset(zone, &offset) ? psprintf("%ld", offset) : "varies";
}

static char *
timestamp_fields(Timestamp when, pg_tz *zone)
{
	struct pg_tm tm;
	fsec_t		fraction = 0;
	int			tz = 0;
	const char *name = NULL;
	Timestamp	back = 0;
	int			result;
	char		buffer[MAXDATELEN + 1];

	memset(&tm, 0, sizeof tm);
	result = timestamp2tm(when, &tz, &tm, &fraction, &name, zone);
	if (result != 0)
		return psprintf("%d", result);
	EncodeDateTime(&tm, fraction, true, tz, name, USE_ISO_DATES, buffer);
	return psprintf("%d-%d-%d %d:%d:%d.%d zone %d %s, back %d " INT64_FORMAT ", %s", tm.tm_year, tm.tm_mon, tm.tm_mday, tm.tm_hour, tm.tm_min,
					tm.tm_sec, fraction, tz, shown(name), tm2timestamp(&tm, fraction, &tz, &back), back, buffer);
}

static void
do_times(const char *argument)
{
	static const int64 extremes[] = {0, -1, 1, INT64CONST(2147483647), INT64CONST(2147483648), INT64CONST(-2147483648), INT64CONST(-2147483649),
		INT64CONST(-210866803200), INT64CONST(9224318015999), INT64CONST(253402300799), INT64CONST(4102444800), PG_INT64_MAX, PG_INT64_MIN, INT64CONST(1e15), INT64CONST(-1e15)};

	state = strtou64(argument, NULL, 10);
	for (int i = 0; i < 500; i++)
	{
		const char *name = ONE_OF("UTC", "GMT", "Europe/Berlin", "America/New_York", "America/St_Johns", "Asia/Kathmandu", "Australia/Lord_Howe",
								  "Pacific/Apia", "Africa/Casablanca", "Asia/Gaza", "America/Nuuk", "Antarctica/Troll", "Europe/Dublin",
								  "CET-1CEST", "CET-1CEST,M3.5.0,M10.5.0/3", "<+0330>-3:30", "EST5EDT,0/0,J365/25", "XXX-25", "FOO+24:59:59", "ABC3",
								  "AB3", "nowhere/at_all", "posixrules", "../etc/passwd", "europe/berlin", "Asia/Pyongyang", "Etc/GMT+12", "5", "<>5", "A-B5", "AAA-1BBB-2,M13.1.0,M3.1.0");
		pg_tz	   *zone = pg_tzset(name);
		pg_time_t	when = below(3) == 0 ? extremes[below(lengthof(extremes))] : (pg_time_t) whole(below(2) ? 34 : 44);
		Timestamp	stamp = below(8) == 0 ? (below(2) ? DT_NOBEGIN : DT_NOEND) : whole(below(2) ? 55 : 64);
		struct pg_tm *tm;
		char		buffer[200];

		SAY("zone %s, " INT64_FORMAT ", " INT64_FORMAT, name, when, stamp);
		if (zone == NULL)
		{
			SAY("no such zone");
			continue;
		}
		SAY("name %s, acceptable %d, offset %s", pg_get_timezone_name(zone), pg_tz_acceptable(zone), offset_shown(zone));
		tm = pg_localtime(&when, zone);
		SAY("pg_localtime: %s", tm_shown(tm));
		if (tm)
		{
			Size		done = pg_strftime(buffer, sizeof buffer, ONE_OF("%Y-%m-%d %H:%M:%S %Z", "%a %A %b %B %c %C %d %D %e", "%F %g %G %H %I %j %k %l %M %n %p",
																	 "%r %R %s %S %t %T %u %U %V %w", "%W %x %X %y %Y %z %Z %+ %%", "%Ey %Od %q %", "%E"), tm);

			SAY("pg_strftime: %d %s", (int) done, done ? shown(buffer) : "");
			SAY("pg_strftime, too small: %d", (int) pg_strftime(buffer, 5, "%Y-%m-%d", tm));
		}
		SAY("pg_gmtime: %s", tm_shown(pg_gmtime(&when)));
		if (when / 2 < PG_INT64_MAX / 4 && when / 2 > PG_INT64_MIN / 4)	/* the server's overflows */
			SAY("pg_next_dst_boundary: %s", boundary_shown(when, zone));
		SAY("pg_interpret_timezone_abbrev: %s", abbreviation_shown(ONE_OF("CET", "CEST", "LMT", "EST", "EDT", "GMT", "UTC", "XYZ", "cet", "+0545", "IST"), when, zone));
		if (IS_VALID_TIMESTAMP(stamp))
		{
			SAY("timestamp2tm: %s", timestamp_fields(stamp, zone));
			SAY("timestamptz_to_str: %s", timestamptz_to_str(stamp));
			RESULT("time_t", INT64_FORMAT " " INT64_FORMAT, (int64) timestamptz_to_time_t(stamp), (int64) time_t_to_timestamptz(when % INT64CONST(4000000000)));
		}
		{
			int			year = -4713 + below(20000);
			int			month = 1 + below(12);
			int			mday = 1 + below(28);
			int			y;
			int			m;
			int			d;
			int			julian = date2j(year, month, mday);
			Interval	span = {whole(below(2) ? 50 : 64), (int32) whole(32), (int32) whole(32)};
			struct pg_itm itm;
			Interval	back;

			j2date(julian, &y, &m, &d);
			SAY("date2j: %d %d-%d-%d %d", julian, y, m, d, j2day(julian));
			SAY("iso: %d %d %d", date2isoweek(year, month, mday), date2isoyear(year, month, mday), date2isoyearday(year, month, mday));
			interval2itm(span, &itm);
			SAY("interval2itm: %d-%d-%d " INT64_FORMAT ":%d:%d.%d, back %d", itm.tm_year, itm.tm_mon, itm.tm_mday, itm.tm_hour, itm.tm_min, itm.tm_sec, itm.tm_usec,
				itm2interval(&itm, &back));
			EncodeInterval(&itm, below(4), buffer);
			SAY("EncodeInterval: %s", buffer);
			RESULT("date2timestamp", INT64_FORMAT " %g", (int64) date2timestamptz_opt_overflow(julian - POSTGRES_EPOCH_JDATE, NULL), date2timestamp_no_overflow(julian - POSTGRES_EPOCH_JDATE));
			RESULT("timestamp2timestamptz", INT64_FORMAT, timestamp2timestamptz_opt_overflow(stamp, NULL));
			RESULT("timestamp_trunc", INT64_FORMAT, DatumGetTimestamp(DirectFunctionCall2(timestamp_trunc, CStringGetTextDatum(ONE_OF("year", "week", "quarter", "day", "millennium")),
																						  TimestampGetDatum(stamp))));
			RESULT("timestamptz_pl_interval", INT64_FORMAT, DatumGetTimestampTz(DirectFunctionCall2(timestamptz_pl_interval, TimestampTzGetDatum(stamp), IntervalPGetDatum(&span))));
		}
		RESULT("typmods", "%d %d %d", anytimestamp_typmod_check(below(2), below(9)), anytime_typmod_check(below(2), below(9)), anytime_typmod_check(true, below(9) - 1));
	}
	SAY("done");
}

static const ProbeAction actions[] = {
	{"names", do_names},
	{"paths", do_paths},
	{"numbers", do_numbers},
	{"bytes", do_bytes},
	{"encodings", do_encodings},
	{"times", do_times},
	{NULL, NULL}
};

static char *database;

void
_PG_init(void)
{
	if (!process_shared_preload_libraries_in_progress)
		return;
	DefineCustomStringVariable("probe_calls.database", "Where to connect; \"each\": to the database with the worker's name.", NULL, &database, NULL, PGC_POSTMASTER, 0, NULL, NULL, NULL);
	probe_init("probe_calls", "probe_calls_main");
}

void
probe_calls_main(Datum main_arg)
{
	MemoryContext context = AllocSetContextCreate(TopMemoryContext, "probe_calls", ALLOCSET_DEFAULT_SIZES);

	BackgroundWorkerUnblockSignals();
	if (database)
		BackgroundWorkerInitializeConnection(strcmp(database, "each") == 0 ? MyBgworkerEntry->bgw_name : database, NULL, 0);
	MemoryContextSwitchTo(context);
	probe_main(actions, main_arg);
}
