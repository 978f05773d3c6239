# Dot-sourced by the tests of what deletes.

<# A full backup, a delta of it and a later full one, with WAL from 1 to 12; gives their names. #>
function Add-Chain([hashtable] $Archive) {
    $names = 'base_000000010000000000000003', 'base_000000010000000000000006_D_000000010000000000000003', 'base_000000010000000000000009'
    Add-GoldenBackup $Archive $names
    $time = [DateTimeOffset]::UtcNow.AddDays(-3)
    for ($i = 0; $i -lt 3; $i++) {
        $start = (3 + 3 * $i) * 16MB + 40
        $folder = Join-Path $Archive.WALG_FILE_PREFIX 'basebackups_005'
        $sentinel = Join-Path $folder "$($names[$i])_backup_stop_sentinel.json"
        $written = (Get-Item $sentinel).LastWriteTime
        $moment = $time.AddHours($i).ToString('yyyy-MM-ddTHH:mm:ssZ')
        $document = Get-Content $sentinel -Raw | ConvertFrom-Json -AsHashtable -DateKind String
        $document.LSN, $document.FinishLSN, $document.FinishTime = $start, ($start + 500), $moment
        if ($i -eq 1) { $document.DeltaLSN, $document.DeltaFrom, $document.DeltaFullName, $document.DeltaCount = (3 * 16MB + 40), $names[0], $names[0], 1 }
        ConvertTo-Json $document -Compress -Depth 10 | Set-Content $sentinel -NoNewline
        $file = Join-Path $folder $names[$i] 'metadata.json'
        $metadata = Get-Content $file -Raw | ConvertFrom-Json -AsHashtable -DateKind String
        $metadata.start_lsn, $metadata.finish_lsn, $metadata.finish_time, $metadata.is_permanent = $start, ($start + 500), $moment, $false
        ConvertTo-Json $metadata -Compress -Depth 10 | Set-Content $file -NoNewline
        Get-Item $sentinel, $file | ForEach-Object { $_.LastWriteTime = $written }
    }
    $wal = New-Item -ItemType Directory (Join-Path $Archive.WALG_FILE_PREFIX 'wal_005')
    1..12 | ForEach-Object { Set-Content (Join-Path $wal ('0000000100000000000000{0:X2}.lz4' -f $_)) 'x' }
    $names
}
