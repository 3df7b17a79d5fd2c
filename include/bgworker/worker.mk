# What a worker's Makefile includes: builds WORKER from its .cc files with PGXS, for the server that PG_CONFIG names and for
# bgworkerd of the same major.
#
#   WORKER = my_worker                    the module's name: my_worker.so
#   SOURCES = my_worker.cc other.cc       default: $(WORKER).cc; relative to the Makefile, .c files are possible
#   WORKER_CXXFLAGS, WORKER_LDFLAGS, WORKER_LIBS   more flags for compiling and linking, more libraries
#   include …/include/bgworker/worker.mk
WORKER_MK := $(abspath $(lastword $(MAKEFILE_LIST)))
WORKER_FOLDER := $(dir $(abspath $(firstword $(MAKEFILE_LIST))))
VPATH := $(WORKER_FOLDER)
# A comment behind the name leaves its spaces in it.
override WORKER := $(strip $(WORKER))
SOURCES ?= $(WORKER).cc

MODULE_big = $(WORKER)
OBJS = $(patsubst %.c,%.o,$(patsubst %.cc,%.o,$(SOURCES)))
PGFILEDESC ?= "$(WORKER) - a background worker"
BGWORKER_INCLUDE ?= -isystem
PG_CPPFLAGS = $(BGWORKER_INCLUDE) $(abspath $(dir $(WORKER_MK))..)
PG_CXXFLAGS = -std=gnu++20 -fvisibility=hidden -Wno-register $(WORKER_CXXFLAGS)
SHLIB_LINK = $(WORKER_LDFLAGS) -lstdc++ $(WORKER_LIBS)
PG_CONFIG ?= pg_config
# The server's headers are not ours to warn about.
PG_CPPFLAGS += -isystem $(shell $(PG_CONFIG) --includedir-server)
# No bitcode: nothing of a worker is ever inlined into queries.
override with_llvm = no

PGXS := $(shell $(PG_CONFIG) --pgxs)
include $(PGXS)
# After PGXS, which has no idea of it: an object is made anew when the SDK changes, or a header beside the Makefile.
$(OBJS): $(wildcard $(dir $(WORKER_MK))*.hpp $(WORKER_FOLDER)*.hpp $(WORKER_FOLDER)*.h)
