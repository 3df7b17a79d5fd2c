// The words of date, time and interval input: months, days, units, special values, and the abbreviations of
// time zones. The abbreviations are those of the installed server's "Default" set, read when the first one
// is looked up, in whatever process that is; without that file only the names of UTC are known.
// No signal handler may enter: a lookup may allocate.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <string>

#include "bridge/critical.hpp"
#include "utils/timezone_internal.hpp"

extern "C" {
#include "postgres.h"
#include "utils/datetime.h"
}

namespace {

struct Word {
  const char* text;
  int type;
  int value;
};

const Word date_words[] = {
    {EARLY, RESERV, DTK_EARLY},
    {DA_D, ADBC, AD},
    {"allballs", RESERV, DTK_ZULU},
    {"am", AMPM, AM},
    {"apr", MONTH, 4},
    {"april", MONTH, 4},
    {"at", IGNORE_DTF, 0},
    {"aug", MONTH, 8},
    {"august", MONTH, 8},
    {DB_C, ADBC, BC},
    {"d", UNITS, DTK_DAY},
    {"dec", MONTH, 12},
    {"december", MONTH, 12},
    {"dow", UNITS, DTK_DOW},
    {"doy", UNITS, DTK_DOY},
    {"dst", DTZMOD, SECS_PER_HOUR},
    {EPOCH, RESERV, DTK_EPOCH},
    {"feb", MONTH, 2},
    {"february", MONTH, 2},
    {"fri", DOW, 5},
    {"friday", DOW, 5},
    {"h", UNITS, DTK_HOUR},
    {LATE, RESERV, DTK_LATE},
    {"isodow", UNITS, DTK_ISODOW},
    {"isoyear", UNITS, DTK_ISOYEAR},
    {"j", UNITS, DTK_JULIAN},
    {"jan", MONTH, 1},
    {"january", MONTH, 1},
    {"jd", UNITS, DTK_JULIAN},
    {"jul", MONTH, 7},
    {"julian", UNITS, DTK_JULIAN},
    {"july", MONTH, 7},
    {"jun", MONTH, 6},
    {"june", MONTH, 6},
    {"m", UNITS, DTK_MONTH},
    {"mar", MONTH, 3},
    {"march", MONTH, 3},
    {"may", MONTH, 5},
    {"mm", UNITS, DTK_MINUTE},
    {"mon", DOW, 1},
    {"monday", DOW, 1},
    {"nov", MONTH, 11},
    {"november", MONTH, 11},
    {NOW, RESERV, DTK_NOW},
    {"oct", MONTH, 10},
    {"october", MONTH, 10},
    {"on", IGNORE_DTF, 0},
    {"pm", AMPM, PM},
    {"s", UNITS, DTK_SECOND},
    {"sat", DOW, 6},
    {"saturday", DOW, 6},
    {"sep", MONTH, 9},
    {"sept", MONTH, 9},
    {"september", MONTH, 9},
    {"sun", DOW, 0},
    {"sunday", DOW, 0},
    {"t", ISOTIME, DTK_TIME},
    {"thu", DOW, 4},
    {"thur", DOW, 4},
    {"thurs", DOW, 4},
    {"thursday", DOW, 4},
    {TODAY, RESERV, DTK_TODAY},
    {TOMORROW, RESERV, DTK_TOMORROW},
    {"tue", DOW, 2},
    {"tues", DOW, 2},
    {"tuesday", DOW, 2},
    {"wed", DOW, 3},
    {"wednesday", DOW, 3},
    {"weds", DOW, 3},
    {"y", UNITS, DTK_YEAR},
    {YESTERDAY, RESERV, DTK_YESTERDAY},
};

const Word unit_words[] = {
    {"@", IGNORE_DTF, 0},
    {DAGO, AGO, 0},
    {"c", UNITS, DTK_CENTURY},
    {"cent", UNITS, DTK_CENTURY},
    {"centuries", UNITS, DTK_CENTURY},
    {DCENTURY, UNITS, DTK_CENTURY},
    {"d", UNITS, DTK_DAY},
    {DDAY, UNITS, DTK_DAY},
    {"days", UNITS, DTK_DAY},
    {"dec", UNITS, DTK_DECADE},
    {DDECADE, UNITS, DTK_DECADE},
    {"decades", UNITS, DTK_DECADE},
    {"decs", UNITS, DTK_DECADE},
    {"h", UNITS, DTK_HOUR},
    {DHOUR, UNITS, DTK_HOUR},
    {"hours", UNITS, DTK_HOUR},
    {"hr", UNITS, DTK_HOUR},
    {"hrs", UNITS, DTK_HOUR},
    {"m", UNITS, DTK_MINUTE},
    {"microsecon", UNITS, DTK_MICROSEC},
    {"mil", UNITS, DTK_MILLENNIUM},
    {"millennia", UNITS, DTK_MILLENNIUM},
    {DMILLENNIUM, UNITS, DTK_MILLENNIUM},
    {"millisecon", UNITS, DTK_MILLISEC},
    {"mils", UNITS, DTK_MILLENNIUM},
    {"min", UNITS, DTK_MINUTE},
    {"mins", UNITS, DTK_MINUTE},
    {DMINUTE, UNITS, DTK_MINUTE},
    {"minutes", UNITS, DTK_MINUTE},
    {"mon", UNITS, DTK_MONTH},
    {"mons", UNITS, DTK_MONTH},
    {DMONTH, UNITS, DTK_MONTH},
    {"months", UNITS, DTK_MONTH},
    {"ms", UNITS, DTK_MILLISEC},
    {"msec", UNITS, DTK_MILLISEC},
    {DMILLISEC, UNITS, DTK_MILLISEC},
    {"mseconds", UNITS, DTK_MILLISEC},
    {"msecs", UNITS, DTK_MILLISEC},
    {"qtr", UNITS, DTK_QUARTER},
    {DQUARTER, UNITS, DTK_QUARTER},
    {"s", UNITS, DTK_SECOND},
    {"sec", UNITS, DTK_SECOND},
    {DSECOND, UNITS, DTK_SECOND},
    {"seconds", UNITS, DTK_SECOND},
    {"secs", UNITS, DTK_SECOND},
    {DTIMEZONE, UNITS, DTK_TZ},
    {"timezone_h", UNITS, DTK_TZ_HOUR},
    {"timezone_m", UNITS, DTK_TZ_MINUTE},
    {"us", UNITS, DTK_MICROSEC},
    {"usec", UNITS, DTK_MICROSEC},
    {DMICROSEC, UNITS, DTK_MICROSEC},
    {"useconds", UNITS, DTK_MICROSEC},
    {"usecs", UNITS, DTK_MICROSEC},
    {"w", UNITS, DTK_WEEK},
    {DWEEK, UNITS, DTK_WEEK},
    {"weeks", UNITS, DTK_WEEK},
    {"y", UNITS, DTK_YEAR},
    {DYEAR, UNITS, DTK_YEAR},
    {"years", UNITS, DTK_YEAR},
    {"yr", UNITS, DTK_YEAR},
    {"yrs", UNITS, DTK_YEAR},
};

// Only the first TOKMAXLEN characters of a word count.
template <size_t N>
int find_word(const Word (&words)[N], const char* text, int* value) {
  for (const Word& word : words) {
    if (strncmp(text, word.text, TOKMAXLEN) == 0) {
      *value = word.value;
      return word.type;
    }
  }
  *value = 0;
  return UNKNOWN_FIELD;
}

struct Abbreviation {
  int type = TZ;     // TZ, DTZ or DYNTZ
  int gmtoff = 0;    // seconds east, for the two fixed types
  std::string zone;  // whose history gives the offset, for DYNTZ
};

using AbbreviationSet = std::map<std::string, Abbreviation>;

struct FileCloser {
  void operator()(FILE* f) const { fclose(f); }
};

void read_abbreviations(const std::string& file_name, int depth, AbbreviationSet* set) {
  std::string path = std::string(BGW_PG_SHAREDIR "/timezonesets/") + file_name;
  std::unique_ptr<FILE, FileCloser> file(fopen(path.c_str(), "re"));
  if (!file || depth > 3) return;
  char line[1024];
  while (fgets(line, sizeof line, file.get()) != nullptr) {
    line[strcspn(line, "#\r\n")] = '\0';
    char first[256], second[256], third[256];
    int n = sscanf(line, "%255s %255s %255s", first, second, third);
    if (n < 1 || strcasecmp(first, "@OVERRIDE") == 0) continue;
    if (strcasecmp(first, "@INCLUDE") == 0) {
      if (n > 1) read_abbreviations(second, depth + 1, set);
      continue;
    }
    if (n < 2) continue;
    std::string name;
    for (const char* p = first; *p && name.size() < TOKMAXLEN; p++)
      name.push_back(static_cast<char>(pg_tolower(static_cast<unsigned char>(*p))));
    Abbreviation entry;
    if (strchr("+-0123456789", second[0]) != nullptr) {
      entry.gmtoff = atoi(second);
      entry.type = n > 2 && strcasecmp(third, "D") == 0 ? DTZ : TZ;
    } else {
      entry.type = DYNTZ;
      entry.zone = second;
    }
    (*set)[name] = entry;
  }
}

const AbbreviationSet& abbreviations() {
  static const AbbreviationSet* set = [] {
    auto* made = new AbbreviationSet{{"z", {}}, {"zulu", {}}, {"utc", {}}, {"gmt", {}}, {"ut", {}}};
    read_abbreviations("Default", 0, made);
    return made;
  }();
  return *set;
}

struct FoundAbbreviation {
  int type, gmtoff;
  const char* zone;
};

FoundAbbreviation find_abbreviation(const char* text) {
  bgw::CriticalScope critical;
  auto found = abbreviations().find(std::string(text, strnlen(text, TOKMAXLEN)));
  if (found == abbreviations().end()) return {UNKNOWN_FIELD, 0, nullptr};
  return {found->second.type, found->second.gmtoff, found->second.zone.c_str()};
}

}  // namespace

extern "C" {

int DecodeSpecial(int, char* lowtoken, int* val) {
  return find_word(date_words, lowtoken, val);
}

int DecodeUnits(int, char* lowtoken, int* val) {
  return find_word(unit_words, lowtoken, val);
}

// *offset is in seconds east of Greenwich for a fixed abbreviation; *tz is the zone of one that is not.
int DecodeTimezoneAbbrev(int, char* lowtoken, int* offset, pg_tz** tz) {
  FoundAbbreviation found = find_abbreviation(lowtoken);
  bgw::check_deferred_exit();
  *offset = found.gmtoff;
  *tz = nullptr;
  if (found.type != DYNTZ) return found.type;
  *tz = pg_tzset(found.zone);
  if (*tz == nullptr)
    ereport(ERROR, (errcode(ERRCODE_CONFIG_FILE_ERROR), errmsg("time zone \"%s\" not recognized", found.zone),
                    errdetail("This time zone name appears in the configuration file for time zone "
                              "abbreviation \"%s\".",
                              lowtoken)));
  return DYNTZ;
}

// The tables above need no order, so there is nothing to check.
bool CheckDateTokenTables(void) {
  return true;
}
}
