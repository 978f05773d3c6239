BeforeAll {
    . $PSScriptRoot/Common.ps1
}

Describe 'Get-BackupList' {
    BeforeAll {
        $archive = New-FolderArchive
        $names = @('base_000000010000000000000003', 'base_000000010000000000000007', 'base_000000010000000000000009_D_000000010000000000000007')
        Add-GoldenBackup $archive $names
    }

    Context 'what it emits' {
        It 'is the backups oldest first, of the declared output type' {
            $all = Get-BackupList -Setting $archive
            $all.Count | Should -Be 3
            $all.ForEach({ "$($_.Name)" }) | Should -Be $names
            $all[0].GetType().FullName | Should -BeExactly 'WalRus.Cmdlets.PgBackup'
            (Get-Command Get-BackupList).OutputType.Type | Should -Be $all[0].GetType()
        }

        It 'has sizes and times as numbers and times, with Age, Kind and Ratio' {
            $full, $null, $delta = Get-BackupList -Setting $archive
            $full.UncompressedSize | Should -BeOfType ([long])
            $full.Modified | Should -BeOfType ([DateTimeOffset])
            $full.Age | Should -BeOfType ([timespan])
            $full.Age.TotalDays | Should -BeGreaterThan 2.5
            $full.Kind | Should -Be 'Full'
            $delta.Kind | Should -Be 'Delta'
            $full.Ratio | Should -BeGreaterThan 1
        }

        It 'can be filtered and sorted in the pipeline' {
            @(Get-BackupList -Setting $archive | Where-Object Age -gt '1.00:00:00' | Where-Object Kind -EQ Full).Count | Should -Be 2
            "$((Get-BackupList -Setting $archive | Sort-Object Name -Descending)[0].Name)" | Should -BeExactly $names[2]
        }

        It 'is nothing for an empty archive' {
            Get-BackupList -Setting (New-FolderArchive) -ErrorVariable failed | Should -BeNullOrEmpty
            $failed | Should -BeNullOrEmpty
        }

        It 'prints as a table, and with -Detail as a list' {
            $text = Get-BackupList -Setting $archive | Out-String -Width 140
            $text | Should -Match 'Name\s+Kind\s+Modified\s+Age\s+Size\s+Stored\s+Kept'
            $text | Should -Match "$($names[0])\s+Full\s+\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\s+3 days\s+8\.4 MB\s+1\.8 MB"
            $detail = Get-BackupList $names[1] -Detail -Setting $archive | Out-String -Width 140
            $detail | Should -Match '(?m)^StartLsn\s+: 0/9000028'
            $detail | Should -Match '(?m)^SystemIdentifier\s+: 7711105264721827766'
        }

        It 'goes through Export-Csv whole' {
            $rows = Get-BackupList -Setting $archive | ConvertTo-Csv | ConvertFrom-Csv
            $rows.Name | Should -Be $names
            $rows[0].StartLsn | Should -BeExactly '0/9000028'
            $rows[0].UncompressedSize | Should -Be '8793342'
            $rows[0].Kind | Should -Be 'Full'
        }

        It 'goes through ConvertTo-Json without warnings' {
            $json = Get-BackupList -Setting $archive | ConvertTo-Json -WarningVariable warnings -WarningAction SilentlyContinue
            $warnings | Should -BeNullOrEmpty
            $first = ($json | ConvertFrom-Json)[0]
            $first.Name | Should -BeExactly $names[0]
            $first.StartLsn | Should -BeExactly '0/9000028'
            $first.UncompressedSize | Should -Be 8793342
            $first.UserData.stage | Should -BeExactly 'delta'
        }
    }

    Context 'choosing' {
        It 'takes one name' {
            "$((Get-BackupList $names[1] -Setting $archive).Name)" | Should -BeExactly $names[1]
        }

        It 'takes wildcards, and a pattern that matches nothing is no error' {
            @(Get-BackupList '*_D_*' -Setting $archive).Count | Should -Be 1
            @(Get-BackupList 'base_00000001*[37]' -Setting $archive -ErrorVariable failed).Count | Should -Be 3
            Get-BackupList 'nothing*' -Setting $archive -ErrorVariable failed | Should -BeNullOrEmpty
            $failed | Should -BeNullOrEmpty
        }

        It 'takes the newest with -Latest' {
            "$((Get-BackupList -Latest -Setting $archive).Name)" | Should -BeExactly $names[2]
            "$((Get-BackupList 'base_????????????????????????' -Latest -Setting $archive).Name)" | Should -BeExactly $names[1]
        }

        It 'takes names from the pipeline, by value and by property name' {
            @($names[0..1] | Get-BackupList -Setting $archive).Count | Should -Be 2
            @(Get-BackupList -Setting $archive | Get-BackupList -Setting $archive).ForEach({ "$($_.Name)" }) | Should -Be $names
        }

        It 'runs under strict mode and in parallel runspaces' {
            Set-StrictMode -Version Latest
            $found = 1..4 | ForEach-Object -ThrottleLimit 4 -Parallel {
                Set-StrictMode -Version Latest
                Import-Module $using:ModulePath
                Get-BackupList -Latest -Setting $using:archive
            }
            @($found).Count | Should -Be 4
        }
    }

    Context 'errors' {
        It 'reports a name that is not there as BackupNotFound and goes on' {
            $found = @(Get-BackupList 'base_0000000100000000000000FF', $names[0] -Setting $archive -ErrorAction SilentlyContinue -ErrorVariable failed)
            $found.Count | Should -Be 1
            $failed[0].FullyQualifiedErrorId | Should -BeExactly 'BackupNotFound,WalRus.Cmdlets.GetBackupListCommand'
            $failed[0].CategoryInfo.Category | Should -Be 'ObjectNotFound'
            $failed[0].TargetObject | Should -BeExactly 'base_0000000100000000000000FF'
            $failed[0].ErrorDetails.RecommendedAction | Should -Not -BeNullOrEmpty
        }

        It 'reports a sentinel that cannot be read and lists the others' {
            $broken = New-FolderArchive
            Add-GoldenBackup $broken $names[0..1]
            Set-Content (Join-Path $broken.WALG_FILE_PREFIX 'basebackups_005' "$($names[0])_backup_stop_sentinel.json") '{"LSN":'
            $found = @(Get-BackupList -Setting $broken -ErrorAction SilentlyContinue -ErrorVariable failed)
            $found.ForEach({ "$($_.Name)" }) | Should -Be $names[1]
            $failed[0].FullyQualifiedErrorId | Should -BeLike 'BackupUnreadable,*'
            $failed[0].CategoryInfo.Category | Should -Be 'InvalidData'
            $failed[0].TargetObject | Should -BeExactly $names[0]
        }

        It 'ends when the store is not there or not set' {
            { Get-BackupList -Setting @{ WALG_FILE_PREFIX = Join-Path $TestDrive 'missing' } } | Should -Throw -ErrorId 'StoreNotFound,*'
            { Get-BackupList } | Should -Throw -ErrorId 'SettingMissing,*'
        }

        It 'names a configuration file that is not there' {
            { Get-BackupList -ConfigFile (Join-Path $TestDrive 'none.json') } | Should -Throw -ExpectedMessage '*none.json*'
        }
    }

    Context 'completion' {
        BeforeAll {
            function Complete([string] $Line) { @((TabExpansion2 $Line $Line.Length).CompletionMatches) }
            $env:WALG_FILE_PREFIX = $archive.WALG_FILE_PREFIX
        }

        AfterAll {
            Remove-Item env:WALG_FILE_PREFIX
        }

        It 'offers the backups, newest first, with a tip' {
            $offered = Complete 'Get-BackupList '
            $offered.CompletionText | Should -Be $names[2], $names[1], $names[0]
            $offered[0].ToolTip | Should -Match '8\.4 MB'
        }

        It 'offers those that begin with what is typed, and LATEST nowhere else than where it works' {
            (Complete 'Get-BackupList base_000000010000000000000003').CompletionText | Should -Be $names[0]
        }

        It 'heeds -ConfigFile on the line' {
            $other = New-FolderArchive
            Add-GoldenBackup $other 'base_000000020000000000000001'
            $file = Join-Path $TestDrive 'other.json'
            $other | ConvertTo-Json | Set-Content $file
            $prefix = $env:WALG_FILE_PREFIX
            Remove-Item env:WALG_FILE_PREFIX
            try { (Complete "Get-BackupList -ConfigFile '$file' -Name ").CompletionText | Should -Be 'base_000000020000000000000001' }
            finally { $env:WALG_FILE_PREFIX = $prefix }
        }

        It 'offers nothing and never throws where settings are wrong or the store does not answer' {
            $watch = [Diagnostics.Stopwatch]::StartNew()
            { Complete "Get-BackupList -ConfigFile '/nowhere/at/all.json' -Name base" } | Should -Not -Throw
            $env:WALG_S3_PREFIX = 's3://bucket/x'
            $env:AWS_ENDPOINT = 'http://192.0.2.1:9'
            $env:AWS_ACCESS_KEY_ID = $env:AWS_SECRET_ACCESS_KEY = 'x'
            try { { Complete 'Get-BackupList base' } | Should -Not -Throw }
            finally { Remove-Item env:WALG_S3_PREFIX, env:AWS_ENDPOINT, env:AWS_ACCESS_KEY_ID, env:AWS_SECRET_ACCESS_KEY }
            $watch.Elapsed.TotalSeconds | Should -BeLessThan 5
        }
    }
}
