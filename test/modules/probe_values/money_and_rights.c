/*
 * Money in several locales, and access rights.
 */
#include "postgres.h"

#include "probe_values.h"

#include "catalog/pg_type.h"
#include "utils/acl.h"
#include "utils/array.h"

/* The argument names locales, with plus signs between. */
void
do_money(const char *argument)
{
	static const char *const amounts[] = {
		"0", "0.01", "-0.05", "1", "-12", "999.99", "-1000", "12345.6", "1234567.89", "-1234567890.12", "92233720368547758.07",
		"-92233720368547758.08",
	};
	char	   *locales = pstrdup(argument);

	begin();
	outcome("types", SPI_execute("CREATE DOMAIN price AS money; CREATE TYPE item AS (m money, p price, ms money[])", false, 0));
	for (char *locale = strtok(locales, "+"); locale != NULL; locale = strtok(NULL, "+"))
	{
		int			units = strncmp(locale, "is_IS", 5) == 0 ? 1 : 100;

		outcome(locale, SPI_execute(psprintf("SET LOCAL lc_monetary = '%s'", locale), false, 0));
		for (int i = 0; i < lengthof(amounts); i++)
			own_value(psprintf("(%s::numeric * 100 / %d)::money", amounts[i], units));
		own_value("ARRAY[1::money, NULL, (-1234.5)::numeric::money]::price[]");
		own_value("ROW(123456::money, (-7)::money, ARRAY[[1234::money], [(-5000)::money]])::item");
		own_value("ARRAY[ROW(NULL, 5::money, '{}')::item]");
		read_text("money", "1234");
		read_text("money", "-5");
		read_text("money", "(17)");
		read_text("money", "  +12 ");
		read_text("money", "nothing");
		read_text("money", "99999999999999999999");
		read_text("money[]", "{1,NULL,-22}");
	}
	/* In the locale that was there before. */
	commit();
	begin();
	own_value("(-1234.5)::numeric::money");
	execute("DROP TYPE item; DROP DOMAIN price", false, 0);
	commit();
}

void
do_access_rights(const char *argument)
{
	static const char *const kept[] = {
		"SELECT proacl FROM pg_proc WHERE proacl IS NOT NULL ORDER BY oid LIMIT 20",
		"SELECT relacl FROM pg_class WHERE relname IN ('kept', 'emptied') ORDER BY relname",
		"SELECT relacl[1], relacl[2], NULL::aclitem FROM pg_class WHERE relname = 'kept'",
	};

	begin();
	sum_of_sent = "md5(row($1)::text)";
	outcome("objects",
			SPI_execute("CREATE ROLE \"Odd \"\"one\"\", =/\"; CREATE ROLE \"12345\"; CREATE ROLE plain_1;"
						"CREATE ROLE \"Ã¤rger\"; CREATE TABLE kept (i int); CREATE TABLE emptied (i int);"
						"GRANT SELECT, INSERT ON kept TO \"Odd \"\"one\"\", =/\" WITH GRANT OPTION; GRANT UPDATE ON kept TO \"12345\";"
						"GRANT ALL ON kept TO plain_1, public; GRANT TRIGGER ON kept TO \"Ã¤rger\"; REVOKE ALL ON emptied FROM CURRENT_USER;"
						"CREATE DOMAIN grant_of AS aclitem; CREATE TYPE granted AS (a aclitem, g grant_of, acl aclitem[])", false, 0));
	/* What looks read-only takes the transaction's snapshot. */
	commit();
	begin();
	for (int i = 0; i < lengthof(kept); i++)
	{
		if (SPI_execute(kept[i], true, 0) != SPI_OK_SELECT)
			elog(ERROR, "no rights");
		for (uint64 row = 0; row < SPI_processed; row++)
			for (int column = 1; column <= SPI_tuptable->tupdesc->natts; column++)
			{
				Form_pg_attribute attribute = TupleDescAttr(SPI_tuptable->tupdesc, column - 1);
				bool		isnull;
				Datum		value = SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, column, &isnull);

				if (isnull)
				{
					SAY("  null");
					continue;
				}
				SAY("  %s %s %08x", SPI_gettype(SPI_tuptable->tupdesc, column),
					SPI_getvalue(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, column), fingerprint(attribute, value));
				if (attribute->atttypid == ACLITEMARRAYOID)
				{
					Acl		   *acl = DatumGetAclP(value);

					SAY("    %d dimensions, %d items", ARR_NDIM(acl), ACL_NUM(acl));
					for (int item = 0; item < ACL_NUM(acl); item++)
						SAY("    %u from %u: %08x", ACL_DAT(acl)[item].ai_grantee, ACL_DAT(acl)[item].ai_grantor, ACL_DAT(acl)[item].ai_privs);
				}
			}
	}
	own_value("makeaclitem(0, 'plain_1'::regrole, 'SELECT', true)");
	own_value("makeaclitem('\"12345\"'::regrole, '\"Odd \"\"one\"\", =/\"'::regrole, 'SELECT', false)");
	own_value("'{plain_1=r/postgres,NULL}'::aclitem[]");
	own_value("ROW('=U*/postgres', 'pg_monitor=C/plain_1', (SELECT relacl FROM pg_class WHERE relname = 'kept'))::granted");
	read_text("aclitem", "plain_1=r/postgres");
	read_text("aclitem", "group \"12345\"=ar*/plain_1");
	read_text("aclitem", "nobody_at_all=r/postgres");
	read_text("aclitem", "plain_1");
	read_text("aclitem[]", "{=c/postgres,NULL}");
	read_text("xml", "<a><b/></a>");
	read_text("xml", "text alone");
	read_text("xml", "<a>");
	read_text("xml[]", "{<a/>,\"<b c='d'/>\",NULL}");
	/* A role that has another name now. */
	SPI_execute("ALTER ROLE plain_1 RENAME TO other_1", false, 0);
	commit();
	begin();
	own_value("(SELECT relacl FROM pg_class WHERE relname = 'kept')");
	execute("DROP TYPE granted; DROP DOMAIN grant_of; DROP TABLE kept; DROP TABLE emptied; DROP ROLE other_1;"
			"DROP ROLE \"Odd \"\"one\"\", =/\"; DROP ROLE \"12345\"; DROP ROLE \"Ã¤rger\"", false, 0);
	commit();
}
