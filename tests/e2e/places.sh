# Events may stand anywhere: before main and after it, in libraries, in modules that come and go, in inline functions,
# templates, threads and signal handlers.
source "$OURO_SOURCE/tests/e2e/lib.sh"

record trace -- "$programs/places" "$programs/mod_places.so"
expect_equal "loss" "$(lost trace)" 0

babeltrace trace | grep -oE ' places:[a-z_]+' | sort | uniq -c | sed -E 's/^ +//; s/ +/ /' >"$folder/seen"
diff - "$folder/seen" <<END || fail "events are missing or too many"
1 places:atexit
1 places:constructor
1 places:destructor
1 places:early_function
12 places:inline_function
1 places:lambda
1 places:late_function
1 places:library
1 places:library_constructor
1 places:library_destructor
1 places:main
10 places:module
10 places:module_constructor
30 places:module_destructor
10 places:module_span_begin
10 places:module_span_end
1 places:signal_handler
3 places:template
102 places:thread
102 places:thread_end
END

expect_equal "registries left behind" "$(ls "$OURO_RUNTIME_DIR")" ""
