// Bytes for people: three digits that count.
const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];

/** For example "0 B", "1.5 KiB", "156 MiB". */
export function readableBytes(bytes: number): string {
  let [value, unit] = [bytes, 0];
  while (value >= 1023.5 && unit < units.length - 1) {
    value /= 1024;
    unit += 1;
  }
  const digits = unit === 0 || value >= 99.95 ? 0 : 1;
  return `${value.toFixed(digits).replace(/\.0$/, '')} ${units[unit]}`;
}
