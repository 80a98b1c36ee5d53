# Runs cells of bash one after the other in one shell: `bash DRIVER FOLDER`. A line on stdin names a cell, "NAME MS", whose
# source is FOLDER/NAME; its exit code is written to FOLDER/NAME.json. On stdout and stderr, marks say where the output of a cell
# begins and ends. A cell that exits ends the shell.
__tvm_folder=$1
__tvm_count=0
shift
exec 9<&0 0</dev/null
__tvm_mark() {
  printf '\0%s:%s\n' "$1" "$2"
  printf '\0%s:%s\n' "$1" "$2" >&2
}
trap : INT
while IFS=' ' read -r __tvm_name __tvm_rest <&9; do
  __tvm_count=$((__tvm_count + 1))
  __tvm_mark "$__tvm_name" begin
  . "$__tvm_folder/$__tvm_name" 9<&-
  __tvm_code=$?
  printf '{"execution_count":%d,"exit_code":%d,"results":[]}' "$__tvm_count" "$__tvm_code" >"$__tvm_folder/$__tvm_name.part"
  mv "$__tvm_folder/$__tvm_name.part" "$__tvm_folder/$__tvm_name.json"
  __tvm_mark "$__tvm_name" end
done
