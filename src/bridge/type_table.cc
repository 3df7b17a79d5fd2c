// The server's built-in types as the host knows them: what pg_type says of each, and the functions that read
// and print those that have a form in this process's memory.
//
// Immutable after compilation; any process may read it at any time. Rows are sorted by OID, and OIDs of
// built-in types are small, so a look-up is one read of a byte table made by the compiler.
#include <array>

#include "bridge/type_io.hpp"

extern "C" {
#include "postgres.h"
#include "catalog/pg_type_d.h"
#include "utils/fmgrprotos.h"
}

namespace bgw {
namespace {

// clang-format off
constexpr TypeInfo types[] = {
    // oid, typlen, typbyval, typalign, typstorage, typcategory, typtype, typdelim, typelem, typarray, typcollation,
    // typinput, typoutput, typreceive, typsend, typmodin, name, input, output, constructible
    {16, 1, true, 'c', 'p', 'B', 'b', ',', 0, 1000, 0, 1242, 1243, 2436, 2437, 0, "bool", boolin, boolout, true},
    {17, -1, false, 'i', 'x', 'U', 'b', ',', 0, 1001, 0, 1244, 31, 2412, 2413, 0, "bytea", byteain, byteaout, true},
    {18, 1, true, 'c', 'p', 'Z', 'b', ',', 0, 1002, 0, 1245, 33, 2434, 2435, 0, "char", charin, charout, true},
    {19, 64, false, 'c', 'p', 'S', 'b', ',', 0, 1003, 950, 34, 35, 2422, 2423, 0, "name", namein, nameout, true},
    {20, 8, true, 'd', 'p', 'N', 'b', ',', 0, 1016, 0, 460, 461, 2408, 2409, 0, "int8", int8in, int8out, true},
    {21, 2, true, 's', 'p', 'N', 'b', ',', 0, 1005, 0, 38, 39, 2404, 2405, 0, "int2", int2in, int2out, true},
    {22, -1, false, 'i', 'p', 'A', 'b', ',', 21, 1006, 0, 40, 41, 2410, 2411, 0, "int2vector", int2vectorin, int2vectorout, true},
    {23, 4, true, 'i', 'p', 'N', 'b', ',', 0, 1007, 0, 42, 43, 2406, 2407, 0, "int4", int4in, int4out, true},
    {24, 4, true, 'i', 'p', 'N', 'b', ',', 0, 1008, 0, 44, 45, 2444, 2445, 0, "regproc", nullptr, nullptr, false},
    {25, -1, false, 'i', 'x', 'S', 'b', ',', 0, 1009, 100, 46, 47, 2414, 2415, 0, "text", textin, textout, true},
    {26, 4, true, 'i', 'p', 'N', 'b', ',', 0, 1028, 0, 1798, 1799, 2418, 2419, 0, "oid", oidin, oidout, true},
    {27, 6, false, 's', 'p', 'U', 'b', ',', 0, 1010, 0, 48, 49, 2438, 2439, 0, "tid", tidin, tidout, true},
    {28, 4, true, 'i', 'p', 'U', 'b', ',', 0, 1011, 0, 50, 51, 2440, 2441, 0, "xid", xidin, xidout, true},
    {29, 4, true, 'i', 'p', 'U', 'b', ',', 0, 1012, 0, 52, 53, 2442, 2443, 0, "cid", cidin, cidout, true},
    {30, -1, false, 'i', 'p', 'A', 'b', ',', 26, 1013, 0, 54, 55, 2420, 2421, 0, "oidvector", oidvectorin, oidvectorout, true},
    {32, 8, true, 'd', 'p', 'P', 'p', ',', 0, 0, 0, 86, 87, 88, 90, 0, "pg_ddl_command", nullptr, nullptr, false},
    {114, -1, false, 'i', 'x', 'U', 'b', ',', 0, 199, 0, 321, 322, 323, 324, 0, "json", json_in, json_out, true},
    {142, -1, false, 'i', 'x', 'U', 'b', ',', 0, 143, 0, 2893, 2894, 2898, 2899, 0, "xml", xml_in, xml_out, true},
    {143, -1, false, 'i', 'x', 'A', 'b', ',', 142, 0, 0, 750, 751, 2400, 2401, 0, "_xml", array_in, array_out, true},
    {194, -1, false, 'i', 'x', 'Z', 'b', ',', 0, 0, 100, 195, 196, 197, 198, 0, "pg_node_tree", textin, textout, true},
    {199, -1, false, 'i', 'x', 'A', 'b', ',', 114, 0, 0, 750, 751, 2400, 2401, 0, "_json", array_in, array_out, true},
    {269, 4, true, 'i', 'p', 'P', 'p', ',', 0, 0, 0, 267, 268, 0, 0, 0, "table_am_handler", nullptr, nullptr, false},
    {271, -1, false, 'd', 'x', 'A', 'b', ',', 5069, 0, 0, 750, 751, 2400, 2401, 0, "_xid8", array_in, array_out, true},
    {325, 4, true, 'i', 'p', 'P', 'p', ',', 0, 0, 0, 326, 327, 0, 0, 0, "index_am_handler", nullptr, nullptr, false},
    {600, 16, false, 'd', 'p', 'G', 'b', ',', 0, 1017, 0, 117, 118, 2428, 2429, 0, "point", point_in, point_out, true},
    {601, 32, false, 'd', 'p', 'G', 'b', ',', 0, 1018, 0, 119, 120, 2480, 2481, 0, "lseg", lseg_in, lseg_out, true},
    {602, -1, false, 'd', 'x', 'G', 'b', ',', 0, 1019, 0, 121, 122, 2482, 2483, 0, "path", path_in, path_out, true},
    {603, 32, false, 'd', 'p', 'G', 'b', ';', 0, 1020, 0, 123, 124, 2484, 2485, 0, "box", box_in, box_out, true},
    {604, -1, false, 'd', 'x', 'G', 'b', ',', 0, 1027, 0, 347, 348, 2486, 2487, 0, "polygon", poly_in, poly_out, true},
    {628, 24, false, 'd', 'p', 'G', 'b', ',', 0, 629, 0, 1490, 1491, 2488, 2489, 0, "line", line_in, line_out, true},
    {629, -1, false, 'd', 'x', 'A', 'b', ',', 628, 0, 0, 750, 751, 2400, 2401, 0, "_line", array_in, array_out, true},
    {650, -1, false, 'i', 'm', 'I', 'b', ',', 0, 651, 0, 1267, 1427, 2498, 2499, 0, "cidr", cidr_in, cidr_out, true},
    {651, -1, false, 'i', 'x', 'A', 'b', ',', 650, 0, 0, 750, 751, 2400, 2401, 0, "_cidr", array_in, array_out, true},
    {700, 4, true, 'i', 'p', 'N', 'b', ',', 0, 1021, 0, 200, 201, 2424, 2425, 0, "float4", float4in, float4out, true},
    {701, 8, true, 'd', 'p', 'N', 'b', ',', 0, 1022, 0, 214, 215, 2426, 2427, 0, "float8", float8in, float8out, true},
    {705, -2, false, 'c', 'p', 'X', 'p', ',', 0, 0, 0, 109, 110, 2416, 2417, 0, "unknown", unknownin, unknownout, true},
    {718, 24, false, 'd', 'p', 'G', 'b', ',', 0, 719, 0, 1450, 1451, 2490, 2491, 0, "circle", circle_in, circle_out, true},
    {719, -1, false, 'd', 'x', 'A', 'b', ',', 718, 0, 0, 750, 751, 2400, 2401, 0, "_circle", array_in, array_out, true},
    {774, 8, false, 'i', 'p', 'U', 'b', ',', 0, 775, 0, 4110, 4111, 3446, 3447, 0, "macaddr8", macaddr8_in, macaddr8_out, true},
    {775, -1, false, 'i', 'x', 'A', 'b', ',', 774, 0, 0, 750, 751, 2400, 2401, 0, "_macaddr8", array_in, array_out, true},
    {790, 8, true, 'd', 'p', 'N', 'b', ',', 0, 791, 0, 886, 887, 2492, 2493, 0, "money", cash_in, cash_out, true},
    {791, -1, false, 'd', 'x', 'A', 'b', ',', 790, 0, 0, 750, 751, 2400, 2401, 0, "_money", array_in, array_out, true},
    {829, 6, false, 'i', 'p', 'U', 'b', ',', 0, 1040, 0, 436, 437, 2494, 2495, 0, "macaddr", macaddr_in, macaddr_out, true},
    {869, -1, false, 'i', 'm', 'I', 'b', ',', 0, 1041, 0, 910, 911, 2496, 2497, 0, "inet", inet_in, inet_out, true},
    {1000, -1, false, 'i', 'x', 'A', 'b', ',', 16, 0, 0, 750, 751, 2400, 2401, 0, "_bool", array_in, array_out, true},
    {1001, -1, false, 'i', 'x', 'A', 'b', ',', 17, 0, 0, 750, 751, 2400, 2401, 0, "_bytea", array_in, array_out, true},
    {1002, -1, false, 'i', 'x', 'A', 'b', ',', 18, 0, 0, 750, 751, 2400, 2401, 0, "_char", array_in, array_out, true},
    {1003, -1, false, 'i', 'x', 'A', 'b', ',', 19, 0, 950, 750, 751, 2400, 2401, 0, "_name", array_in, array_out, true},
    {1005, -1, false, 'i', 'x', 'A', 'b', ',', 21, 0, 0, 750, 751, 2400, 2401, 0, "_int2", array_in, array_out, true},
    {1006, -1, false, 'i', 'x', 'A', 'b', ',', 22, 0, 0, 750, 751, 2400, 2401, 0, "_int2vector", array_in, array_out, true},
    {1007, -1, false, 'i', 'x', 'A', 'b', ',', 23, 0, 0, 750, 751, 2400, 2401, 0, "_int4", array_in, array_out, true},
    {1008, -1, false, 'i', 'x', 'A', 'b', ',', 24, 0, 0, 750, 751, 2400, 2401, 0, "_regproc", nullptr, nullptr, false},
    {1009, -1, false, 'i', 'x', 'A', 'b', ',', 25, 0, 100, 750, 751, 2400, 2401, 0, "_text", array_in, array_out, true},
    {1010, -1, false, 'i', 'x', 'A', 'b', ',', 27, 0, 0, 750, 751, 2400, 2401, 0, "_tid", array_in, array_out, true},
    {1011, -1, false, 'i', 'x', 'A', 'b', ',', 28, 0, 0, 750, 751, 2400, 2401, 0, "_xid", array_in, array_out, true},
    {1012, -1, false, 'i', 'x', 'A', 'b', ',', 29, 0, 0, 750, 751, 2400, 2401, 0, "_cid", array_in, array_out, true},
    {1013, -1, false, 'i', 'x', 'A', 'b', ',', 30, 0, 0, 750, 751, 2400, 2401, 0, "_oidvector", array_in, array_out, true},
    {1014, -1, false, 'i', 'x', 'A', 'b', ',', 1042, 0, 100, 750, 751, 2400, 2401, 2913, "_bpchar", array_in, array_out, true},
    {1015, -1, false, 'i', 'x', 'A', 'b', ',', 1043, 0, 100, 750, 751, 2400, 2401, 2915, "_varchar", array_in, array_out, true},
    {1016, -1, false, 'd', 'x', 'A', 'b', ',', 20, 0, 0, 750, 751, 2400, 2401, 0, "_int8", array_in, array_out, true},
    {1017, -1, false, 'd', 'x', 'A', 'b', ',', 600, 0, 0, 750, 751, 2400, 2401, 0, "_point", array_in, array_out, true},
    {1018, -1, false, 'd', 'x', 'A', 'b', ',', 601, 0, 0, 750, 751, 2400, 2401, 0, "_lseg", array_in, array_out, true},
    {1019, -1, false, 'd', 'x', 'A', 'b', ',', 602, 0, 0, 750, 751, 2400, 2401, 0, "_path", array_in, array_out, true},
    {1020, -1, false, 'd', 'x', 'A', 'b', ';', 603, 0, 0, 750, 751, 2400, 2401, 0, "_box", array_in, array_out, true},
    {1021, -1, false, 'i', 'x', 'A', 'b', ',', 700, 0, 0, 750, 751, 2400, 2401, 0, "_float4", array_in, array_out, true},
    {1022, -1, false, 'd', 'x', 'A', 'b', ',', 701, 0, 0, 750, 751, 2400, 2401, 0, "_float8", array_in, array_out, true},
    {1027, -1, false, 'd', 'x', 'A', 'b', ',', 604, 0, 0, 750, 751, 2400, 2401, 0, "_polygon", array_in, array_out, true},
    {1028, -1, false, 'i', 'x', 'A', 'b', ',', 26, 0, 0, 750, 751, 2400, 2401, 0, "_oid", array_in, array_out, true},
    {1033, 12, false, 'i', 'p', 'U', 'b', ',', 0, 1034, 0, 1031, 1032, 0, 0, 0, "aclitem", nullptr, nullptr, false},
    {1034, -1, false, 'i', 'x', 'A', 'b', ',', 1033, 0, 0, 750, 751, 2400, 2401, 0, "_aclitem", nullptr, nullptr, false},
    {1040, -1, false, 'i', 'x', 'A', 'b', ',', 829, 0, 0, 750, 751, 2400, 2401, 0, "_macaddr", array_in, array_out, true},
    {1041, -1, false, 'i', 'x', 'A', 'b', ',', 869, 0, 0, 750, 751, 2400, 2401, 0, "_inet", array_in, array_out, true},
    {1042, -1, false, 'i', 'x', 'S', 'b', ',', 0, 1014, 100, 1044, 1045, 2430, 2431, 2913, "bpchar", bpcharin, bpcharout, true},
    {1043, -1, false, 'i', 'x', 'S', 'b', ',', 0, 1015, 100, 1046, 1047, 2432, 2433, 2915, "varchar", varcharin, varcharout, true},
    {1082, 4, true, 'i', 'p', 'D', 'b', ',', 0, 1182, 0, 1084, 1085, 2468, 2469, 0, "date", date_in, date_out, true},
    {1083, 8, true, 'd', 'p', 'D', 'b', ',', 0, 1183, 0, 1143, 1144, 2470, 2471, 2909, "time", time_in, time_out, true},
    {1114, 8, true, 'd', 'p', 'D', 'b', ',', 0, 1115, 0, 1312, 1313, 2474, 2475, 2905, "timestamp", timestamp_in, timestamp_out, true},
    {1115, -1, false, 'd', 'x', 'A', 'b', ',', 1114, 0, 0, 750, 751, 2400, 2401, 2905, "_timestamp", array_in, array_out, true},
    {1182, -1, false, 'i', 'x', 'A', 'b', ',', 1082, 0, 0, 750, 751, 2400, 2401, 0, "_date", array_in, array_out, true},
    {1183, -1, false, 'd', 'x', 'A', 'b', ',', 1083, 0, 0, 750, 751, 2400, 2401, 2909, "_time", array_in, array_out, true},
    {1184, 8, true, 'd', 'p', 'D', 'b', ',', 0, 1185, 0, 1150, 1151, 2476, 2477, 2907, "timestamptz", timestamptz_in, timestamptz_out, true},
    {1185, -1, false, 'd', 'x', 'A', 'b', ',', 1184, 0, 0, 750, 751, 2400, 2401, 2907, "_timestamptz", array_in, array_out, true},
    {1186, 16, false, 'd', 'p', 'T', 'b', ',', 0, 1187, 0, 1160, 1161, 2478, 2479, 2903, "interval", interval_in, interval_out, true},
    {1187, -1, false, 'd', 'x', 'A', 'b', ',', 1186, 0, 0, 750, 751, 2400, 2401, 2903, "_interval", array_in, array_out, true},
    {1231, -1, false, 'i', 'x', 'A', 'b', ',', 1700, 0, 0, 750, 751, 2400, 2401, 2917, "_numeric", array_in, array_out, true},
    {1263, -1, false, 'i', 'x', 'A', 'b', ',', 2275, 0, 0, 750, 751, 2400, 2401, 0, "_cstring", array_in, array_out, true},
    {1266, 12, false, 'd', 'p', 'D', 'b', ',', 0, 1270, 0, 1350, 1351, 2472, 2473, 2911, "timetz", timetz_in, timetz_out, true},
    {1270, -1, false, 'd', 'x', 'A', 'b', ',', 1266, 0, 0, 750, 751, 2400, 2401, 2911, "_timetz", array_in, array_out, true},
    {1560, -1, false, 'i', 'x', 'V', 'b', ',', 0, 1561, 0, 1564, 1565, 2456, 2457, 2919, "bit", bit_in, bit_out, true},
    {1561, -1, false, 'i', 'x', 'A', 'b', ',', 1560, 0, 0, 750, 751, 2400, 2401, 2919, "_bit", array_in, array_out, true},
    {1562, -1, false, 'i', 'x', 'V', 'b', ',', 0, 1563, 0, 1579, 1580, 2458, 2459, 2902, "varbit", varbit_in, varbit_out, true},
    {1563, -1, false, 'i', 'x', 'A', 'b', ',', 1562, 0, 0, 750, 751, 2400, 2401, 2902, "_varbit", array_in, array_out, true},
    {1700, -1, false, 'i', 'm', 'N', 'b', ',', 0, 1231, 0, 1701, 1702, 2460, 2461, 2917, "numeric", numeric_in, numeric_out, true},
    {1790, -1, false, 'i', 'x', 'U', 'b', ',', 0, 2201, 0, 46, 47, 2414, 2415, 0, "refcursor", textin, textout, true},
    {2201, -1, false, 'i', 'x', 'A', 'b', ',', 1790, 0, 0, 750, 751, 2400, 2401, 0, "_refcursor", array_in, array_out, true},
    {2202, 4, true, 'i', 'p', 'N', 'b', ',', 0, 2207, 0, 2212, 2213, 2446, 2447, 0, "regprocedure", nullptr, nullptr, false},
    {2203, 4, true, 'i', 'p', 'N', 'b', ',', 0, 2208, 0, 2214, 2215, 2448, 2449, 0, "regoper", nullptr, nullptr, false},
    {2204, 4, true, 'i', 'p', 'N', 'b', ',', 0, 2209, 0, 2216, 2217, 2450, 2451, 0, "regoperator", nullptr, nullptr, false},
    {2205, 4, true, 'i', 'p', 'N', 'b', ',', 0, 2210, 0, 2218, 2219, 2452, 2453, 0, "regclass", nullptr, nullptr, false},
    {2206, 4, true, 'i', 'p', 'N', 'b', ',', 0, 2211, 0, 2220, 2221, 2454, 2455, 0, "regtype", nullptr, nullptr, false},
    {2207, -1, false, 'i', 'x', 'A', 'b', ',', 2202, 0, 0, 750, 751, 2400, 2401, 0, "_regprocedure", nullptr, nullptr, false},
    {2208, -1, false, 'i', 'x', 'A', 'b', ',', 2203, 0, 0, 750, 751, 2400, 2401, 0, "_regoper", nullptr, nullptr, false},
    {2209, -1, false, 'i', 'x', 'A', 'b', ',', 2204, 0, 0, 750, 751, 2400, 2401, 0, "_regoperator", nullptr, nullptr, false},
    {2210, -1, false, 'i', 'x', 'A', 'b', ',', 2205, 0, 0, 750, 751, 2400, 2401, 0, "_regclass", nullptr, nullptr, false},
    {2211, -1, false, 'i', 'x', 'A', 'b', ',', 2206, 0, 0, 750, 751, 2400, 2401, 0, "_regtype", nullptr, nullptr, false},
    {2249, -1, false, 'd', 'x', 'P', 'p', ',', 0, 2287, 0, 2290, 2291, 2402, 2403, 0, "record", nullptr, nullptr, false},
    {2275, -2, false, 'c', 'p', 'P', 'p', ',', 0, 1263, 0, 2292, 2293, 2500, 2501, 0, "cstring", cstring_in, cstring_out, true},
    {2276, 4, true, 'i', 'p', 'P', 'p', ',', 0, 0, 0, 2294, 2295, 0, 0, 0, "any", nullptr, nullptr, false},
    {2277, -1, false, 'd', 'x', 'P', 'p', ',', 0, 0, 0, 2296, 2297, 2502, 2503, 0, "anyarray", nullptr, nullptr, false},
    {2278, 4, true, 'i', 'p', 'P', 'p', ',', 0, 0, 0, 2298, 2299, 3120, 3121, 0, "void", void_in, void_out, true},
    {2279, 4, true, 'i', 'p', 'P', 'p', ',', 0, 0, 0, 2300, 2301, 0, 0, 0, "trigger", nullptr, nullptr, false},
    {2280, 4, true, 'i', 'p', 'P', 'p', ',', 0, 0, 0, 2302, 2303, 0, 0, 0, "language_handler", nullptr, nullptr, false},
    {2281, 8, true, 'd', 'p', 'P', 'p', ',', 0, 0, 0, 2304, 2305, 0, 0, 0, "internal", nullptr, nullptr, false},
    {2283, 4, true, 'i', 'p', 'P', 'p', ',', 0, 0, 0, 2312, 2313, 0, 0, 0, "anyelement", nullptr, nullptr, false},
    {2287, -1, false, 'd', 'x', 'P', 'p', ',', 2249, 0, 0, 750, 751, 2400, 2401, 0, "_record", nullptr, nullptr, false},
    {2776, 4, true, 'i', 'p', 'P', 'p', ',', 0, 0, 0, 2777, 2778, 0, 0, 0, "anynonarray", nullptr, nullptr, false},
    {2949, -1, false, 'd', 'x', 'A', 'b', ',', 2970, 0, 0, 750, 751, 2400, 2401, 0, "_txid_snapshot", array_in, array_out, true},
    {2950, 16, false, 'c', 'p', 'U', 'b', ',', 0, 2951, 0, 2952, 2953, 2961, 2962, 0, "uuid", uuid_in, uuid_out, true},
    {2951, -1, false, 'i', 'x', 'A', 'b', ',', 2950, 0, 0, 750, 751, 2400, 2401, 0, "_uuid", array_in, array_out, true},
    {2970, -1, false, 'd', 'x', 'U', 'b', ',', 0, 2949, 0, 2939, 2940, 2941, 2942, 0, "txid_snapshot", pg_snapshot_in, pg_snapshot_out, true},
    {3115, 4, true, 'i', 'p', 'P', 'p', ',', 0, 0, 0, 3116, 3117, 0, 0, 0, "fdw_handler", nullptr, nullptr, false},
    {3220, 8, true, 'd', 'p', 'U', 'b', ',', 0, 3221, 0, 3229, 3230, 3238, 3239, 0, "pg_lsn", pg_lsn_in, pg_lsn_out, true},
    {3221, -1, false, 'd', 'x', 'A', 'b', ',', 3220, 0, 0, 750, 751, 2400, 2401, 0, "_pg_lsn", array_in, array_out, true},
    {3310, 4, true, 'i', 'p', 'P', 'p', ',', 0, 0, 0, 3311, 3312, 0, 0, 0, "tsm_handler", nullptr, nullptr, false},
    {3361, -1, false, 'i', 'x', 'Z', 'b', ',', 0, 0, 100, 3355, 3356, 3357, 3358, 0, "pg_ndistinct", nullptr, nullptr, false},
    {3402, -1, false, 'i', 'x', 'Z', 'b', ',', 0, 0, 100, 3404, 3405, 3406, 3407, 0, "pg_dependencies", nullptr, nullptr, false},
    {3500, 4, true, 'i', 'p', 'P', 'p', ',', 0, 0, 0, 3504, 3505, 0, 0, 0, "anyenum", nullptr, nullptr, false},
    {3614, -1, false, 'i', 'x', 'U', 'b', ',', 0, 3643, 0, 3610, 3611, 3639, 3638, 0, "tsvector", tsvectorin, tsvectorout, true},
    {3615, -1, false, 'i', 'p', 'U', 'b', ',', 0, 3645, 0, 3612, 3613, 3641, 3640, 0, "tsquery", tsqueryin, tsqueryout, true},
    {3642, -1, false, 'i', 'p', 'U', 'b', ',', 0, 3644, 0, 3646, 3647, 0, 0, 0, "gtsvector", nullptr, nullptr, false},
    {3643, -1, false, 'i', 'x', 'A', 'b', ',', 3614, 0, 0, 750, 751, 2400, 2401, 0, "_tsvector", array_in, array_out, true},
    {3644, -1, false, 'i', 'x', 'A', 'b', ',', 3642, 0, 0, 750, 751, 2400, 2401, 0, "_gtsvector", nullptr, nullptr, false},
    {3645, -1, false, 'i', 'x', 'A', 'b', ',', 3615, 0, 0, 750, 751, 2400, 2401, 0, "_tsquery", array_in, array_out, true},
    {3734, 4, true, 'i', 'p', 'N', 'b', ',', 0, 3735, 0, 3736, 3737, 3738, 3739, 0, "regconfig", nullptr, nullptr, false},
    {3735, -1, false, 'i', 'x', 'A', 'b', ',', 3734, 0, 0, 750, 751, 2400, 2401, 0, "_regconfig", nullptr, nullptr, false},
    {3769, 4, true, 'i', 'p', 'N', 'b', ',', 0, 3770, 0, 3771, 3772, 3773, 3774, 0, "regdictionary", nullptr, nullptr, false},
    {3770, -1, false, 'i', 'x', 'A', 'b', ',', 3769, 0, 0, 750, 751, 2400, 2401, 0, "_regdictionary", nullptr, nullptr, false},
    {3802, -1, false, 'i', 'x', 'U', 'b', ',', 0, 3807, 0, 3806, 3804, 3805, 3803, 0, "jsonb", jsonb_in, jsonb_out, true},
    {3807, -1, false, 'i', 'x', 'A', 'b', ',', 3802, 0, 0, 750, 751, 2400, 2401, 0, "_jsonb", array_in, array_out, true},
    {3831, -1, false, 'd', 'x', 'P', 'p', ',', 0, 0, 0, 3832, 3833, 0, 0, 0, "anyrange", nullptr, nullptr, false},
    {3838, 4, true, 'i', 'p', 'P', 'p', ',', 0, 0, 0, 3594, 3595, 0, 0, 0, "event_trigger", nullptr, nullptr, false},
    {3904, -1, false, 'i', 'x', 'R', 'r', ',', 0, 3905, 0, 3834, 3835, 3836, 3837, 0, "int4range", range_in, range_out, true},
    {3905, -1, false, 'i', 'x', 'A', 'b', ',', 3904, 0, 0, 750, 751, 2400, 2401, 0, "_int4range", array_in, array_out, true},
    {3906, -1, false, 'i', 'x', 'R', 'r', ',', 0, 3907, 0, 3834, 3835, 3836, 3837, 0, "numrange", range_in, range_out, true},
    {3907, -1, false, 'i', 'x', 'A', 'b', ',', 3906, 0, 0, 750, 751, 2400, 2401, 0, "_numrange", array_in, array_out, true},
    {3908, -1, false, 'd', 'x', 'R', 'r', ',', 0, 3909, 0, 3834, 3835, 3836, 3837, 0, "tsrange", range_in, range_out, true},
    {3909, -1, false, 'd', 'x', 'A', 'b', ',', 3908, 0, 0, 750, 751, 2400, 2401, 0, "_tsrange", array_in, array_out, true},
    {3910, -1, false, 'd', 'x', 'R', 'r', ',', 0, 3911, 0, 3834, 3835, 3836, 3837, 0, "tstzrange", range_in, range_out, true},
    {3911, -1, false, 'd', 'x', 'A', 'b', ',', 3910, 0, 0, 750, 751, 2400, 2401, 0, "_tstzrange", array_in, array_out, true},
    {3912, -1, false, 'i', 'x', 'R', 'r', ',', 0, 3913, 0, 3834, 3835, 3836, 3837, 0, "daterange", range_in, range_out, true},
    {3913, -1, false, 'i', 'x', 'A', 'b', ',', 3912, 0, 0, 750, 751, 2400, 2401, 0, "_daterange", array_in, array_out, true},
    {3926, -1, false, 'd', 'x', 'R', 'r', ',', 0, 3927, 0, 3834, 3835, 3836, 3837, 0, "int8range", range_in, range_out, true},
    {3927, -1, false, 'd', 'x', 'A', 'b', ',', 3926, 0, 0, 750, 751, 2400, 2401, 0, "_int8range", array_in, array_out, true},
    {4072, -1, false, 'i', 'x', 'U', 'b', ',', 0, 4073, 0, 4001, 4003, 4002, 4004, 0, "jsonpath", jsonpath_in, jsonpath_out, true},
    {4073, -1, false, 'i', 'x', 'A', 'b', ',', 4072, 0, 0, 750, 751, 2400, 2401, 0, "_jsonpath", array_in, array_out, true},
    {4089, 4, true, 'i', 'p', 'N', 'b', ',', 0, 4090, 0, 4084, 4085, 4087, 4088, 0, "regnamespace", nullptr, nullptr, false},
    {4090, -1, false, 'i', 'x', 'A', 'b', ',', 4089, 0, 0, 750, 751, 2400, 2401, 0, "_regnamespace", nullptr, nullptr, false},
    {4096, 4, true, 'i', 'p', 'N', 'b', ',', 0, 4097, 0, 4098, 4092, 4094, 4095, 0, "regrole", nullptr, nullptr, false},
    {4097, -1, false, 'i', 'x', 'A', 'b', ',', 4096, 0, 0, 750, 751, 2400, 2401, 0, "_regrole", nullptr, nullptr, false},
    {4191, 4, true, 'i', 'p', 'N', 'b', ',', 0, 4192, 0, 4193, 4194, 4196, 4197, 0, "regcollation", nullptr, nullptr, false},
    {4192, -1, false, 'i', 'x', 'A', 'b', ',', 4191, 0, 0, 750, 751, 2400, 2401, 0, "_regcollation", nullptr, nullptr, false},
    {4451, -1, false, 'i', 'x', 'R', 'm', ',', 0, 6150, 0, 4231, 4232, 4233, 4234, 0, "int4multirange", multirange_in, multirange_out, true},
    {4532, -1, false, 'i', 'x', 'R', 'm', ',', 0, 6151, 0, 4231, 4232, 4233, 4234, 0, "nummultirange", multirange_in, multirange_out, true},
    {4533, -1, false, 'd', 'x', 'R', 'm', ',', 0, 6152, 0, 4231, 4232, 4233, 4234, 0, "tsmultirange", multirange_in, multirange_out, true},
    {4534, -1, false, 'd', 'x', 'R', 'm', ',', 0, 6153, 0, 4231, 4232, 4233, 4234, 0, "tstzmultirange", multirange_in, multirange_out, true},
    {4535, -1, false, 'i', 'x', 'R', 'm', ',', 0, 6155, 0, 4231, 4232, 4233, 4234, 0, "datemultirange", multirange_in, multirange_out, true},
    {4536, -1, false, 'd', 'x', 'R', 'm', ',', 0, 6157, 0, 4231, 4232, 4233, 4234, 0, "int8multirange", multirange_in, multirange_out, true},
    {4537, -1, false, 'd', 'x', 'P', 'p', ',', 0, 0, 0, 4229, 4230, 0, 0, 0, "anymultirange", nullptr, nullptr, false},
    {4538, -1, false, 'd', 'x', 'P', 'p', ',', 0, 0, 0, 4226, 4227, 0, 0, 0, "anycompatiblemultirange", nullptr, nullptr, false},
    {4600, -1, false, 'i', 'x', 'Z', 'b', ',', 0, 0, 100, 4596, 4597, 4598, 4599, 0, "pg_brin_bloom_summary", nullptr, nullptr, false},
    {4601, -1, false, 'i', 'x', 'Z', 'b', ',', 0, 0, 100, 4638, 4639, 4640, 4641, 0, "pg_brin_minmax_multi_summary", nullptr, nullptr, false},
    {5017, -1, false, 'i', 'x', 'Z', 'b', ',', 0, 0, 100, 5018, 5019, 5020, 5021, 0, "pg_mcv_list", nullptr, nullptr, false},
    {5038, -1, false, 'd', 'x', 'U', 'b', ',', 0, 5039, 0, 5055, 5056, 5057, 5058, 0, "pg_snapshot", pg_snapshot_in, pg_snapshot_out, true},
    {5039, -1, false, 'd', 'x', 'A', 'b', ',', 5038, 0, 0, 750, 751, 2400, 2401, 0, "_pg_snapshot", array_in, array_out, true},
    {5069, 8, true, 'd', 'p', 'U', 'b', ',', 0, 271, 0, 5070, 5081, 5082, 5083, 0, "xid8", xid8in, xid8out, true},
    {5077, 4, true, 'i', 'p', 'P', 'p', ',', 0, 0, 0, 5086, 5087, 0, 0, 0, "anycompatible", nullptr, nullptr, false},
    {5078, -1, false, 'd', 'x', 'P', 'p', ',', 0, 0, 0, 5088, 5089, 5090, 5091, 0, "anycompatiblearray", nullptr, nullptr, false},
    {5079, 4, true, 'i', 'p', 'P', 'p', ',', 0, 0, 0, 5092, 5093, 0, 0, 0, "anycompatiblenonarray", nullptr, nullptr, false},
    {5080, -1, false, 'd', 'x', 'P', 'p', ',', 0, 0, 0, 5094, 5095, 0, 0, 0, "anycompatiblerange", nullptr, nullptr, false},
    {6150, -1, false, 'i', 'x', 'A', 'b', ',', 4451, 0, 0, 750, 751, 2400, 2401, 0, "_int4multirange", array_in, array_out, true},
    {6151, -1, false, 'i', 'x', 'A', 'b', ',', 4532, 0, 0, 750, 751, 2400, 2401, 0, "_nummultirange", array_in, array_out, true},
    {6152, -1, false, 'd', 'x', 'A', 'b', ',', 4533, 0, 0, 750, 751, 2400, 2401, 0, "_tsmultirange", array_in, array_out, true},
    {6153, -1, false, 'd', 'x', 'A', 'b', ',', 4534, 0, 0, 750, 751, 2400, 2401, 0, "_tstzmultirange", array_in, array_out, true},
    {6155, -1, false, 'i', 'x', 'A', 'b', ',', 4535, 0, 0, 750, 751, 2400, 2401, 0, "_datemultirange", array_in, array_out, true},
    {6157, -1, false, 'd', 'x', 'A', 'b', ',', 4536, 0, 0, 750, 751, 2400, 2401, 0, "_int8multirange", array_in, array_out, true},
};
// clang-format on

constexpr std::size_t type_count = sizeof(types) / sizeof(types[0]);
constexpr Oid last_oid = types[type_count - 1].oid;
static_assert(type_count < 255);

// For each OID one more than its row, 0 where there is none.
constexpr std::array<unsigned char, last_oid + 1> make_index() {
  std::array<unsigned char, last_oid + 1> index{};
  for (std::size_t i = 0; i < type_count; i++) index[types[i].oid] = static_cast<unsigned char>(i + 1);
  return index;
}
constexpr auto type_index = make_index();

constexpr TypeInfo other = {InvalidOid, -1,         false,      'i',        'x',        'U',        'b',
                            ',',        InvalidOid, InvalidOid, InvalidOid, InvalidOid, InvalidOid, InvalidOid,
                            InvalidOid, InvalidOid, "???",      nullptr,    nullptr,    false};

}  // namespace

const TypeInfo* find_type(Oid oid) {
  if (oid > last_oid || type_index[oid] == 0) return nullptr;
  return &types[type_index[oid] - 1];
}

const TypeInfo* other_type() {
  return &other;
}

const TypeInfo* lookup_type(Oid oid) {
  const TypeInfo* type = find_type(oid);
  return type != nullptr ? type : &other;
}

int builtin_type_count() {
  return static_cast<int>(type_count);
}

Oid catalogued_element(const TypeInfo* type) {
  switch (type->oid) {
    case NAMEOID:
      return CHAROID;
    case POINTOID:
    case LINEOID:
      return FLOAT8OID;
    case LSEGOID:
    case BOXOID:
      return POINTOID;
    default:
      return type->typelem;
  }
}

const TypeInfo* builtin_type(int i) {
  return &types[i];
}

}  // namespace bgw
