# Every test function is a CTest test of its own: it can be run, timed and skipped by itself, and CTest runs several at
# once. The functions are found by reading the files, so that a new one is a test without being listed anywhere.
find_program(SYSTEM_PYTHON NAMES python3 PATHS /usr/bin NO_DEFAULT_PATH REQUIRED)

# In the environment of each. What Python compiles is kept in the build folder: a test starts in a third of the time with it.
set(PYTHON_TEST_ENVIRONMENT BGW_BUILD_DIR=${CMAKE_BINARY_DIR} BGW_PG_BINDIR=${PG_BINDIR} BGW_PG_PKGLIBDIR=${PG_PKGLIBDIR}
  BGW_TEST_SLOWNESS=$<IF:$<BOOL:${BGW_SANITIZE}>,3,1> PYTEST_DISABLE_PLUGIN_AUTOLOAD=1 PYTHONPYCACHEPREFIX=${CMAKE_BINARY_DIR}/pycache PYTHONDONTWRITEBYTECODE=)

# Of pytest's own parts those that no test uses are not loaded: a tenth of what a test's start costs.
set(PYTHON_TEST_RUNNER ${SYSTEM_PYTHON} -m pytest)
foreach(part debugging doctest junitxml legacypath logging nose pastebin setuponly setupplan stepwise tmpdir
    unittest)
  list(APPEND PYTHON_TEST_RUNNER -p no:${part})
endforeach()
list(APPEND PYTHON_TEST_RUNNER -c ${CMAKE_SOURCE_DIR}/test/pytest.ini)

function(add_python_tests label)
  file(GLOB files CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/test_*.py)
  foreach(file ${files})
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${file})
    get_filename_component(stem ${file} NAME_WE)
    string(REGEX REPLACE "^test_" "" group ${stem})
    file(STRINGS ${file} heads REGEX "^def test_[a-z0-9_]+\\(")
    foreach(head ${heads})
      string(REGEX REPLACE "^def (test_[a-z0-9_]+)\\(.*" "\\1" function "${head}")
      string(REGEX REPLACE "^test_" "" short ${function})
      set(name ${label}.${group}.${short})
      add_test(NAME ${name} COMMAND ${PYTHON_TEST_RUNNER} ${file}::${function} WORKING_DIRECTORY ${CMAKE_SOURCE_DIR}/test)
      set_tests_properties(${name} PROPERTIES LABELS ${label} TIMEOUT $<IF:$<BOOL:${BGW_SANITIZE}>,600,300>
        SKIP_REGULAR_EXPRESSION "[0-9]+ skipped"
        ENVIRONMENT "${PYTHON_TEST_ENVIRONMENT}")
    endforeach()
  endforeach()
endfunction()


