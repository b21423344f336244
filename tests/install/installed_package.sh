# What `cmake --install` leaves is enough to build against, by find_package and by pkg-config, and finds itself
# wherever the installed tree is moved.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
export OURO_RUNTIME_DIR=$folder/run
consumer=$OURO_SOURCE/tests/install/consumer
flags=(-Wall -Wextra -Wconversion -Wshadow -Werror)
[[ -n $OURO_SANITIZE ]] && flags+=("-fsanitize=$OURO_SANITIZE")

cmake --install "$OURO_BUILD" --prefix "$folder/first" >/dev/null
mv "$folder/first" "$folder/prefix"
prefix=$folder/prefix

cmake -G Ninja -S "$consumer" -B "$folder/build" -DCMAKE_PREFIX_PATH="$prefix" -DCMAKE_CXX_COMPILER="$OURO_CXX" \
  -DCMAKE_BUILD_TYPE=Release -DCMAKE_CXX_FLAGS="${flags[*]}" >/dev/null
cmake --build "$folder/build" >/dev/null
for program in ring trace read; do
  "$folder/build/use_$program"
done
echo "find_package: built and ran"

pc=$(dirname "$(find "$prefix" -name ouro-ring.pc)")
for program in ring trace read; do
  read -ra of_package < <(PKG_CONFIG_PATH=$pc pkg-config --cflags --libs "ouro-$program")
  "$OURO_CXX" -std=c++20 -O2 "${flags[@]}" "$consumer/$program.cpp" -o "$folder/pc_$program" "${of_package[@]}"
  LD_LIBRARY_PATH=$pc/.. "$folder/pc_$program"
done
echo "pkg-config: built and ran"

"$prefix/bin/ouro" --version

# An example, as somebody would build it who has the installed package only.
if [[ -z $OURO_SANITIZE ]]; then
  cmake -G Ninja -S "$OURO_SOURCE/examples/shop" -B "$folder/shop" -DCMAKE_PREFIX_PATH="$prefix" \
    -DCMAKE_CXX_COMPILER="$OURO_CXX" -DCMAKE_BUILD_TYPE=Debug >/dev/null
  cmake --build "$folder/shop" --target shop >/dev/null
  LD_LIBRARY_PATH=$pc/.. "$folder/shop/shop" --help >/dev/null
  echo "examples/shop: built and ran"
fi
