BeforeDiscovery {
    . $PSScriptRoot/Common.ps1
    $noServer = -not (Find-PostgresBin)
}

BeforeAll {
    . $PSScriptRoot/Common.ps1
}

Describe 'Receive-WalSegment' -Skip:$noServer {
    BeforeAll {
        $server = New-Postgres
        Start-Postgres $server
        function Get-Slot { @(Invoke-Sql $server 'SELECT slot_name FROM pg_replication_slots ORDER BY 1') }
        function Switch-Wal { Invoke-Sql $server "SELECT pg_walfile_name(pg_switch_wal()) FROM (SELECT pg_logical_emit_message(false, 'x', 'y')) AS m" }
    }

    AfterAll {
        Remove-Postgres $server
    }

    BeforeEach {
        # A new slot keeps WAL from the last checkpoint on.
        Invoke-Sql $server 'CHECKPOINT' | Out-Null
        $archive = New-FolderArchive
        $setting = $archive + @{ PGHOST = $server.Folder; PGPORT = '5432'; PGUSER = 'postgres' }
        $folder = Join-Path $TestDrive ([guid]::NewGuid().ToString('N'))
    }

    AfterEach {
        Wait-Sql $server 'SELECT count(*) = 0 FROM pg_replication_slots WHERE active'
        $setting.PGPORT, $setting.PGUSER = '5432', 'postgres'
        Get-Slot | ForEach-Object { Receive-WalSegment -DropSlot -SlotName $_ -Setting $setting }
    }

    It 'emits each segment once it is durable, whole and equal to the server''s, and ends at the position' {
        Receive-WalSegment -CreateSlot -Setting $setting | Should -BeNullOrEmpty
        Get-Slot | Should -Be 'walg'
        $segments = 1..3 | ForEach-Object { Switch-Wal }
        $end = Invoke-Sql $server 'SELECT pg_current_wal_flush_lsn()'
        $results = @(Receive-WalSegment $folder -EndLsn $end -Setting $setting)
        $results[0].GetType().FullName | Should -BeExactly 'WalRus.Cmdlets.PgReceivedWal'
        (Get-Command Receive-WalSegment).OutputType.Type | Should -Be $results[0].GetType()
        $results.Name | Sort-Object | Should -Be $segments
        $results.State | Select-Object -Unique | Should -Be 'Uploaded'
        $results[0].BytesIn | Should -Be 1MB
        $results[0].Delay | Should -BeOfType ([timespan])
        $results[-1].DurableLsn | Should -Match '^0/[0-9A-F]+00000$'
        foreach ($name in $segments) {
            $null = Restore-WalSegment $name "$folder-$name" -Setting $archive
            (Get-FileHash "$folder-$name").Hash | Should -Be (Get-FileHash (Join-Path $server.Data "pg_wal/$name")).Hash
        }
        @(Receive-WalSegment $folder -EndLsn $end -Setting $setting) | Should -BeNullOrEmpty -Because 'all before it is there'
    }

    It 'prints as a table' {
        Receive-WalSegment -CreateSlot -Setting $setting
        $null = Switch-Wal
        $text = Receive-WalSegment $folder -EndLsn (Invoke-Sql $server 'SELECT pg_current_wal_flush_lsn()') -Setting $setting | Out-String -Width 120
        $text | Should -Match 'Name\s+State\s+Stored\s+Delay\s+DurableLsn\s+Lag'
        $text | Should -Match '[0-9A-F]{24}\s+Uploaded'
    }

    It 'stops within a second at Ctrl+C, keeps what is unfinished in its folder, and goes on behind it' {
        $stopped = Stop-RunningPipeline { param($f, $s) Receive-WalSegment $f -Setting $s } $folder, $setting -Started {
            (Invoke-Sql $server "SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming' AND write_lsn = pg_current_wal_flush_lsn()") -eq '1'
        }
        $stopped.State | Should -Be 'Stopped'
        $stopped.Errors | Should -BeNullOrEmpty
        $stopped.StopTime.TotalSeconds | Should -BeLessThan 1
        @(Get-FileList $archive.WALG_FILE_PREFIX) | Should -BeNullOrEmpty
        @(Get-ChildItem $folder -Filter *.partial).Count | Should -Be 1
        $segment = Switch-Wal
        $end = Invoke-Sql $server 'SELECT pg_current_wal_flush_lsn()'
        (Receive-WalSegment $folder -EndLsn $end -Setting $setting).Name | Should -Be $segment
    }

    It 'ends with the pipeline that has enough' {
        Receive-WalSegment -CreateSlot -Setting $setting
        $segments = 1..2 | ForEach-Object { Switch-Wal }
        (Receive-WalSegment $folder -Setting $setting | Select-Object -First 2).Name | Sort-Object | Should -Be $segments
    }

    It 'makes and drops no slot with -WhatIf, and receives nothing' {
        Receive-WalSegment -CreateSlot -SlotName other -Setting $setting -WhatIf
        Receive-WalSegment $folder -Setting $setting -WhatIf | Should -BeNullOrEmpty
        Get-Slot | Should -BeNullOrEmpty
        $folder | Should -Not -Exist
    }

    It 'reports <Id>' -ForEach @(
        @{ Id = 'PostgresUnreachable'; With = @{ PGPORT = '1' }; Category = 'ConnectionError' }
        @{ Id = 'PostgresAuthenticationFailed'; With = @{ PGUSER = 'nobody' }; Category = 'AuthenticationError' }
    ) {
        $With.GetEnumerator() | ForEach-Object { $setting[$_.Key] = $_.Value }
        Receive-WalSegment $folder -Setting $setting -ErrorAction SilentlyContinue -ErrorVariable failed
        $failed[0].FullyQualifiedErrorId | Should -BeExactly "$Id,WalRus.Cmdlets.ReceiveWalSegmentCommand"
        $failed[0].CategoryInfo.Category | Should -Be $Category
        $failed[0].ErrorDetails.RecommendedAction | Should -Not -BeNullOrEmpty
    }

    It 'says that a position is none' {
        Receive-WalSegment $folder -EndLsn here -Setting $setting -ErrorAction SilentlyContinue -ErrorVariable failed
        $failed[0].FullyQualifiedErrorId | Should -BeLike 'InvalidArgument,*'
    }
}
