"""The tables of `yolact benchmark` on the terminal."""

from __future__ import annotations


def format_row(row: dict) -> str:
    """Return a row of the table on the terminal."""
    stages = '  '.join(f'{stage} {values["median"]:.1f}'
                       for stage, values in row['stage_ms'].items())
    text = (f'{row["network"]:<20} {row["variant"]:<26} {row["width"]}x{row["height"]} '
            f'n={row["instances"]:<3} b={row["batch"]:<2} '
            f'{row["frame_ms"]["median"]:8.1f} ms  p95 {row["frame_ms"]["p95"]:8.1f}  '
            f'cpu {row["cpu_ms"]["median"]:8.1f}  [{stages}]')
    if 'tflop_per_s' in row:
        share = (f' = {100 * row["share_of_peak"]:.0f} % of peak' if 'share_of_peak' in row
                 else '')
        text += (f'  {row["gflop"]:.0f} GFLOP, {row["tflop_per_s"]:.2f} TFLOP/s{share}, '
                 f'network {100 * row["network_share"]:.0f} %')
    if 'speedup' in row:
        text += f'  {row["speedup"]["wall"]:.2f} x baseline'
    if 'mask_ap' in row:
        text += '  mask AP ' + ', '.join(f'{value:.3f} on {name}'
                                         for name, value in row['mask_ap'].items())
    if 'busy_ratio' in row:
        text += f'  {row["busy_ratio"]:.2f} x the quiet frame'
    if 'paced' in row:
        paced = row['paced']
        text += (f'  at {paced["rate"]:g} Hz: {paced["fps"]:.1f} fps, latency '
                 f'{paced["latency_ms"]:.1f} ms, p95 {paced["latency_p95_ms"]:.1f}, '
                 f'{paced["dropped"]} dropped')
    return text


def format_scaling(rows: list[dict]) -> str:
    """Return the table of --scaling."""
    lines = ['', 'cost as the work grows:']
    for row in rows:
        memory = 'unknown' if row['peak_mb'] is None else f'{row["peak_mb"]:.0f} MB'
        detect = row['stage_ms'].get('detect', {'median': float('nan')})['median']
        lines.append(f'{row["axis"]:<12}{row["value"]:<12}{row["frame_ms"]["median"]:8.1f} ms a '
                     f'picture  cpu {row["cpu_ms"]["median"]:8.1f} ms  memory {memory}  '
                     f'detect {detect:.2f} ms')
    return '\n'.join(lines)


def format_node(row: dict) -> str:
    """Return the table of --node."""
    lines = ['', f'through ROS messages, {row["description"]}, result of {row["message_bytes"]} '
             f'bytes: {row["frame_ms"]["median"]:.1f} ms, p95 {row["frame_ms"]["p95"]:.1f}']
    lines += [f'{stage:<18}{values["median"]:8.2f} ms  p95 {values["p95"]:8.2f}'
              for stage, values in row['stage_ms'].items()]
    return '\n'.join(lines)


def format_heading(report: dict) -> str:
    """Return what the figures were measured on."""
    machine = report['machine']
    peaks = ', '.join(f'{name} {peak / 1e12:.2f} TFLOP/s'
                      for name, peak in report['peak'].items()) or 'not measured'
    return (f'{report["date"]}  {machine["processor"]}, {machine["threads"]} threads, '
            f'load {machine["load"]}, {machine["device"]}, torch {machine["torch"]}\n'
            f'peak, the faster of a matrix product and a convolution: {peaks}')
