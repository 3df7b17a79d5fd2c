// The geometric types as text: point, lseg, box, path, polygon, line and circle, read and printed.
//
// One reader walks the text. Around a list of points there may be brackets, parentheses or nothing, and
// likewise around each point; a comma between two points may be missing. How many points a list has is told by
// its commas alone.
#include <cstring>

#include "utils/geo_internal.hpp"

extern "C" {
#include "lib/stringinfo.h"
#include "utils/fmgrprotos.h"
}

namespace {

using bgw::new_shape;

struct Reader {
  const char* type;
  char* whole;
  char* at;
};

[[noreturn]] void malformed(const Reader& reader) {
  ereport(ERROR, (errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
                  errmsg("invalid input syntax for type %s: \"%s\"", reader.type, reader.whole)));
  pg_unreachable();
}

inline void skip_space(Reader& reader) {
  while (*reader.at == ' ' || (*reader.at >= '\t' && *reader.at <= '\r')) reader.at++;
}

inline bool accept(Reader& reader, char c) {
  if (*reader.at != c) return false;
  reader.at++;
  return true;
}

inline void expect(Reader& reader, char c) {
  if (!accept(reader, c)) malformed(reader);
}

inline void expect_end(const Reader& reader) {
  if (*reader.at != '\0') malformed(reader);
}

inline float8 read_number(Reader& reader) {
  return float8in_internal(reader.at, &reader.at, reader.type, reader.whole);
}

void read_point(Reader& reader, Point* point) {
  skip_space(reader);
  const bool enclosed = accept(reader, '(');
  point->x = read_number(reader);
  expect(reader, ',');
  point->y = read_number(reader);
  if (enclosed) {
    expect(reader, ')');
    skip_space(reader);
  }
}

// Whether the parenthesis here is around the whole rather than around the first point: another one follows at
// once, or it is the only one.
bool encloses_all(const Reader& reader) {
  const char* next = reader.at + 1;
  while (*next == ' ' || (*next >= '\t' && *next <= '\r')) next++;
  return *next == '(' || strchr(next, '(') == nullptr;
}

// Answers whether the list stood in brackets, which make a path an open one.
bool read_points(Reader& reader, bool may_be_open, int count, Point* points) {
  skip_space(reader);
  const bool open = *reader.at == '[';
  if (open && !may_be_open) malformed(reader);
  const bool enclosed = open || (*reader.at == '(' && encloses_all(reader));
  if (enclosed) reader.at++;
  for (int i = 0; i < count; i++) {
    read_point(reader, &points[i]);
    accept(reader, ',');
  }
  if (enclosed) {
    if (!accept(reader, ')') && !(open && accept(reader, ']'))) malformed(reader);
    skip_space(reader);
  }
  return open;
}

// Two numbers for each point, with commas between all of them; 0 if that is not so.
int count_points(const char* text) {
  int commas = 0;
  for (; *text != '\0'; text++) commas += *text == ',';
  return commas % 2 == 1 ? (commas + 1) / 2 : 0;
}

void check_count(int count, Size header) {
  if (static_cast<Size>(count) > (PG_INT32_MAX - header) / sizeof(Point))
    ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED), errmsg("too many points requested")));
}

LINE line_through(const Point& point, float8 slope) {
  LINE line;
  if (isinf(slope)) {
    line = {-1, 0, point.x};
  } else if (slope == 0) {
    line = {0, -1, point.y};
  } else {
    line = {slope, -1, float8_mi(point.y, float8_mul(slope, point.x))};
    if (line.C == 0) line.C = 0;  // never the negative zero
  }
  return line;
}

void print_number(StringInfo out, float8 number) {
  char* text = float8out_internal(number);
  appendStringInfoString(out, text);
  pfree(text);
}

void print_point(StringInfo out, const Point& point) {
  appendStringInfoChar(out, '(');
  print_number(out, point.x);
  appendStringInfoChar(out, ',');
  print_number(out, point.y);
  appendStringInfoChar(out, ')');
}

char* print_points(const char* before, const Point* points, int count, const char* after) {
  StringInfoData out;
  initStringInfo(&out);
  appendStringInfoString(&out, before);
  for (int i = 0; i < count; i++) {
    if (i > 0) appendStringInfoChar(&out, ',');
    print_point(&out, points[i]);
  }
  appendStringInfoString(&out, after);
  return out.data;
}

}  // namespace

extern "C" {

Datum point_in(PG_FUNCTION_ARGS) {
  char* text = PG_GETARG_CSTRING(0);
  Reader reader = {"point", text, text};
  Point* point = new_shape<Point>();
  read_point(reader, point);
  expect_end(reader);
  PG_RETURN_POINT_P(point);
}
Datum point_out(PG_FUNCTION_ARGS) {
  PG_RETURN_CSTRING(print_points("", PG_GETARG_POINT_P(0), 1, ""));
}

Datum lseg_in(PG_FUNCTION_ARGS) {
  char* text = PG_GETARG_CSTRING(0);
  Reader reader = {"lseg", text, text};
  LSEG* lseg = new_shape<LSEG>();
  (void)read_points(reader, true, 2, lseg->p);
  expect_end(reader);
  PG_RETURN_LSEG_P(lseg);
}
Datum lseg_out(PG_FUNCTION_ARGS) {
  PG_RETURN_CSTRING(print_points("[", PG_GETARG_LSEG_P(0)->p, 2, "]"));
}

Datum box_in(PG_FUNCTION_ARGS) {
  char* text = PG_GETARG_CSTRING(0);
  Reader reader = {"box", text, text};
  Point corners[2];
  (void)read_points(reader, false, 2, corners);
  expect_end(reader);
  BOX* box = new_shape<BOX>();
  *box = {corners[0], corners[1]};
  if (float8_lt(box->high.x, box->low.x)) {
    box->high.x = corners[1].x;
    box->low.x = corners[0].x;
  }
  if (float8_lt(box->high.y, box->low.y)) {
    box->high.y = corners[1].y;
    box->low.y = corners[0].y;
  }
  PG_RETURN_BOX_P(box);
}
Datum box_out(PG_FUNCTION_ARGS) {
  const BOX* box = PG_GETARG_BOX_P(0);
  const Point corners[2] = {box->high, box->low};
  PG_RETURN_CSTRING(print_points("", corners, 2, ""));
}

Datum path_in(PG_FUNCTION_ARGS) {
  char* text = PG_GETARG_CSTRING(0);
  Reader reader = {"path", text, text};
  const int count = count_points(text);
  if (count == 0) malformed(reader);
  check_count(count, offsetof(PATH, p));
  skip_space(reader);
  const bool enclosed = *reader.at == '(' && strchr(reader.at + 1, '(') == nullptr;
  if (enclosed) reader.at++;
  PATH* path = bgw::new_path(count, true);
  path->closed = !read_points(reader, true, count, path->p);
  if (enclosed) {
    expect(reader, ')');
    skip_space(reader);
  }
  expect_end(reader);
  PG_RETURN_PATH_P(path);
}
Datum path_out(PG_FUNCTION_ARGS) {
  const PATH* path = PG_GETARG_PATH_P(0);
  PG_RETURN_CSTRING(print_points(path->closed ? "(" : "[", path->p, path->npts, path->closed ? ")" : "]"));
}

Datum poly_in(PG_FUNCTION_ARGS) {
  char* text = PG_GETARG_CSTRING(0);
  Reader reader = {"polygon", text, text};
  const int count = count_points(text);
  if (count == 0) malformed(reader);
  check_count(count, offsetof(POLYGON, p));
  POLYGON* polygon = bgw::new_polygon(count);
  (void)read_points(reader, false, count, polygon->p);
  expect_end(reader);
  polygon->boundbox = bgw::box_around(polygon->p, count);
  PG_RETURN_POLYGON_P(polygon);
}
Datum poly_out(PG_FUNCTION_ARGS) {
  const POLYGON* polygon = PG_GETARG_POLYGON_P(0);
  PG_RETURN_CSTRING(print_points("(", polygon->p, polygon->npts, ")"));
}

// By its equation in braces, or by two points of it.
Datum line_in(PG_FUNCTION_ARGS) {
  char* text = PG_GETARG_CSTRING(0);
  Reader reader = {"line", text, text};
  LINE* line = new_shape<LINE>();
  skip_space(reader);
  if (accept(reader, '{')) {
    line->A = read_number(reader);
    expect(reader, ',');
    line->B = read_number(reader);
    expect(reader, ',');
    line->C = read_number(reader);
    expect(reader, '}');
    skip_space(reader);
    expect_end(reader);
    if (FPzero(line->A) && FPzero(line->B))
      ereport(ERROR, (errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
                      errmsg("invalid line specification: A and B cannot both be zero")));
  } else {
    Point points[2];
    (void)read_points(reader, true, 2, points);
    expect_end(reader);
    if (bgw::same_point(points[0], points[1]))
      ereport(ERROR, (errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
                      errmsg("invalid line specification: must be two distinct points")));
    *line = line_through(points[0], bgw::slope(points[0], points[1]));
  }
  PG_RETURN_LINE_P(line);
}
Datum line_out(PG_FUNCTION_ARGS) {
  const LINE* line = PG_GETARG_LINE_P(0);
  StringInfoData out;
  initStringInfo(&out);
  appendStringInfoChar(&out, '{');
  print_number(&out, line->A);
  appendStringInfoChar(&out, ',');
  print_number(&out, line->B);
  appendStringInfoChar(&out, ',');
  print_number(&out, line->C);
  appendStringInfoChar(&out, '}');
  PG_RETURN_CSTRING(out.data);
}
Datum line_construct_pp(PG_FUNCTION_ARGS) {
  const Point* a = PG_GETARG_POINT_P(0);
  const Point* b = PG_GETARG_POINT_P(1);
  if (bgw::same_point(*a, *b))
    ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                    errmsg("invalid line specification: must be two distinct points")));
  LINE* line = new_shape<LINE>();
  *line = line_through(*a, bgw::slope(*a, *b));
  PG_RETURN_LINE_P(line);
}

Datum circle_in(PG_FUNCTION_ARGS) {
  char* text = PG_GETARG_CSTRING(0);
  Reader reader = {"circle", text, text};
  CIRCLE* circle = new_shape<CIRCLE>();
  skip_space(reader);
  bool enclosed = false;
  if (accept(reader, '<')) {
    enclosed = true;
  } else if (*reader.at == '(') {
    Reader ahead = reader;
    ahead.at++;
    skip_space(ahead);
    if (*ahead.at == '(') {
      enclosed = true;
      reader = ahead;
    }
  }
  read_point(reader, &circle->center);
  accept(reader, ',');
  circle->radius = read_number(reader);
  if (circle->radius < 0) malformed(reader);
  if (enclosed) {
    if (!accept(reader, ')')) expect(reader, '>');
    skip_space(reader);
  }
  expect_end(reader);
  PG_RETURN_CIRCLE_P(circle);
}
Datum circle_out(PG_FUNCTION_ARGS) {
  const CIRCLE* circle = PG_GETARG_CIRCLE_P(0);
  StringInfoData out;
  initStringInfo(&out);
  appendStringInfoChar(&out, '<');
  print_point(&out, circle->center);
  appendStringInfoChar(&out, ',');
  print_number(&out, circle->radius);
  appendStringInfoChar(&out, '>');
  PG_RETURN_CSTRING(out.data);
}

}  // extern "C"
