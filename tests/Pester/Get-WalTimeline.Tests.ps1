BeforeAll {
    . $PSScriptRoot/Common.ps1
}

Describe 'Get-WalTimeline' {
    BeforeAll {
        $archive = New-FolderArchive
        $wal = Join-Path $TestDrive 'wal'
        1, 2, 5 | ForEach-Object { New-WalSegment $wal ('0000000100000000{0:X8}' -f $_) } | Push-WalSegment -Setting $archive | Out-Null
        New-WalSegment $wal 000000020000000000000005 | Push-WalSegment -Setting $archive | Out-Null
        $history = Join-Path $wal 00000002.history
        Set-Content $history "1`t0/500100`tno recovery target specified`n" -NoNewline
        Push-WalSegment $history -Setting $archive | Out-Null
        Add-GoldenBackup $archive base_000000020000000000000005
    }

    It 'gives what there is of each timeline' {
        $first, $second = Get-WalTimeline -Setting $archive
        $first.Timeline, $first.First, $first.Last, $first.SegmentCount, $first.MissingCount, $first.Status |
            Should -Be 1, 000000010000000000000001, 000000010000000000000005, 3, 2, 'LOST_SEGMENTS'
        "$($first.Gap)" | Should -BeExactly '000000010000000000000003..000000010000000000000004'
        $second.Timeline, $second.Parent, $second.SwitchPoint, $second.Status, $second.ObjectCount | Should -Be 2, 1, '0/500100', 'OK', 2
        $second.Backup | Should -Be base_000000020000000000000005
        $second.StoredBytes | Should -BeGreaterThan 1kb
        (Get-Command Get-WalTimeline).OutputType.Type | Should -Be $first.GetType()
    }

    It 'takes timelines by number' {
        (Get-WalTimeline 2 -Setting $archive).Timeline | Should -Be 2
        Get-WalTimeline 3 -Setting $archive | Should -BeNullOrEmpty
    }

    It 'needs no key' {
        $encrypted = New-FolderArchive
        $key = @{ WALG_LIBSODIUM_KEY = '0123456789abcdef0123456789abcdef'; WALG_LIBSODIUM_KEY_TRANSFORM = 'none' }
        Push-WalSegment (Join-Path $wal 000000010000000000000001) -Setting ($encrypted + $key) | Out-Null
        (Get-WalTimeline -Setting $encrypted).First | Should -Be 000000010000000000000001
    }

    It 'shows the others where a backup cannot be read, and says so' {
        $broken = New-FolderArchive
        Push-WalSegment (Join-Path $wal 000000010000000000000001) -Setting $broken | Out-Null
        $null = New-Item -ItemType Directory (Join-Path $broken.WALG_FILE_PREFIX basebackups_005)
        Set-Content (Join-Path $broken.WALG_FILE_PREFIX basebackups_005 base_000000010000000000000001_backup_stop_sentinel.json) '{'
        $shown = Get-WalTimeline -Setting $broken -ErrorAction SilentlyContinue -ErrorVariable failed
        $shown.SegmentCount | Should -Be 1
        $failed.FullyQualifiedErrorId | Should -Be 'BackupUnreadable,WalRus.Cmdlets.GetWalTimelineCommand'
    }

    It 'prints as a table and survives a job' {
        Get-WalTimeline -Setting $archive | Out-String -Width 120 | Should -Match 'TL +Parent +First +Last +Segments +Missing +Stored +Backups +Status'
        $file = Join-Path $TestDrive 'timelines.xml'
        Get-WalTimeline -Setting $archive | Export-Clixml $file
        (Import-Clixml $file)[0].Gap[0].Count | Should -Be 2
    }

    It 'says nothing of an empty archive' {
        Get-WalTimeline -Setting (New-FolderArchive) | Should -BeNullOrEmpty
    }
}
